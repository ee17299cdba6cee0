#!/usr/bin/env bash
# Makes the image that the Dockerfile builds on from this machine's own Node 24 and npm, for machines that reach no image registry:
# Node, what it links to, and the packages that package-lock.json names for production.
# usage: tools/make-node-image.sh [tag]   (default local/node:24)
set -euo pipefail

project=$(cd "$(dirname "$0")/.." && pwd)
tag=${1:-local/node:24}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

# The Node that package.json brings along, else the one on PATH. The first is a link to the binary of this platform.
node="$project/node_modules/.bin/node"
[[ -x $node ]] || node=$(command -v node)
node=$("$node" -p process.execPath)
version=$("$node" -p process.versions.node)
[[ ${version%%.*} -ge 24 ]] || { echo "needs Node 24 to put into the image; found $version: run npm ci first" >&2; exit 1; }

mkdir -p "$root"/{app,tmp,etc/ssl/certs,usr/local/bin,bin,proc,sys,dev,run,root,opt/flotilla/tools}
chmod 1777 "$root/tmp"

cp "$node" "$root/usr/local/bin/node"
# What the Dockerfile's RUN lines need.
programs=(/bin/bash /bin/cp /bin/mkdir /bin/chown)
for program in "${programs[@]}"; do cp -L --parents "$program" "$root"; done
ldd "$node" "${programs[@]}" | grep -oE '/[^ )]+\.so[^ )]*' | sort -u | xargs -I{} cp -L --parents {} "$root"
ln -s bash "$root/bin/sh"

# Names are looked up through these, which no program links to; they are loaded when they are asked for.
libraries=$(dirname "$(ldd /bin/bash | grep -oE '/[^ )]+libc\.so[^ )]*')")
for library in libnss_dns.so.2 libnss_files.so.2 libresolv.so.2; do
  [[ ! -e $libraries/$library ]] || cp -L --parents "$libraries/$library" "$root"
done
[[ ! -e /etc/ssl/certs/ca-certificates.crt ]] || cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
printf 'root:x:0:0:root:/root:/bin/sh\nnode:x:1000:1000:node:/app:/bin/sh\n' >"$root/etc/passwd"
printf 'root:x:0:\nnode:x:1000:\n' >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"

# The same installation as in the Dockerfile.
cp "$project"/{package.json,package-lock.json,.npmrc} "$root/opt/flotilla"
cp -r "$project/tools/node24" "$root/opt/flotilla/tools"
(
  cd "$root/opt/flotilla"
  npm pkg delete devDependencies
  npm install --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error
) >/dev/null

tar -C "$root" -c . | docker import \
  --change 'ENV PATH=/usr/local/bin:/usr/bin:/bin' \
  --change 'WORKDIR /app' \
  --change 'CMD ["node"]' \
  - "$tag" >/dev/null
echo "made $tag"
