# Pinned; a machine that reaches no registry passes its own: docker build --build-arg NODE_IMAGE=…
ARG NODE_IMAGE=node:24.11.1-slim

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY tools/node24 ./tools/node24
# The peers (the Agents SDK, zod) stay, at their locked versions; with devDependencies in place npm would count them as such.
RUN npm pkg delete devDependencies && npm install --omit=dev --ignore-scripts --no-audit --no-fund

FROM ${NODE_IMAGE}
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
# Node runs the TypeScript as it stands.
COPY package.json ./
COPY src ./src
COPY examples ./examples
COPY tools/fake-provider.ts ./tools/fake-provider.ts
USER node
CMD ["node", "src/cli/main.ts", "worker", "--fleet", "examples/support-desk/fleet.ts"]
