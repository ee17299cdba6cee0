#!/usr/bin/env bash
# Makes a Redis image from this machine's own redis-server, for machines that reach no image registry.
# usage: tools/make-redis-image.sh [tag]   (default local/redis:7)
set -euo pipefail

tag=${1:-local/redis:7}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

mkdir -p "$root"/{data,tmp,etc,usr/local/bin,bin,proc,sys,dev,run}
chmod 1777 "$root/tmp"

# bash, because testcontainers looks for open ports with /dev/tcp from inside the container.
programs=("$(command -v redis-server)" "$(command -v redis-cli)" /bin/bash /bin/cat /bin/grep)
for program in "${programs[@]}"; do cp -L --parents "$program" "$root"; done
ldd "${programs[@]}" | grep -oE '/[^ )]+\.so[^ )]*' | sort -u | xargs -I{} cp -L --parents {} "$root"
ln -s bash "$root/bin/sh"
echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
echo 'root:x:0:' >"$root/etc/group"

# As in the official image: a leading flag means "redis-server <flags>", and protected mode is off inside the container.
cat >"$root/usr/local/bin/docker-entrypoint.sh" <<'SCRIPT'
#!/bin/bash
[[ $# -eq 0 || ${1:0:1} == - ]] && set -- redis-server "$@"
[[ $1 == redis-server ]] && set -- "$@" --protected-mode no
exec "$@"
SCRIPT
chmod +x "$root/usr/local/bin/docker-entrypoint.sh"

tar -C "$root" -c . | docker import \
  --change 'ENV PATH=/usr/local/bin:/usr/bin:/bin' \
  --change 'WORKDIR /data' \
  --change 'EXPOSE 6379' \
  --change 'ENTRYPOINT ["docker-entrypoint.sh"]' \
  --change 'CMD ["redis-server"]' \
  - "$tag" >/dev/null
echo "made $tag"
