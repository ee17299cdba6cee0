# Pinned; a machine that reaches no registry passes its own: tools/make-node-image.sh
ARG NODE_IMAGE=node:24.11.1-slim

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY tools/node24 ./tools/node24
# The peers (the Agents SDK, zod) stay, at their locked versions; with devDependencies in place npm would count them as such.
# An image of tools/make-node-image.sh brings the packages along.
RUN if [ -d /opt/flotilla/node_modules ]; then cp -r /opt/flotilla/node_modules ./node_modules; \
  else npm pkg delete devDependencies && npm install --omit=dev --ignore-scripts --no-audit --no-fund; fi

FROM ${NODE_IMAGE}
ENV NODE_ENV=production
WORKDIR /app
# What the support desk writes. A volume that is mounted here takes over the owner.
RUN mkdir /data && chown node:node /data
COPY --from=dependencies /app/node_modules ./node_modules
# Node runs the TypeScript as it stands.
COPY package.json ./
COPY src ./src
COPY examples ./examples
COPY tools/*.ts ./tools/
USER node
CMD ["node", "src/cli/main.ts", "worker", "--fleet", "examples/support-desk/fleet.ts"]
