#!/usr/bin/env bash
# Lays Redis 8 and Valkey 8 of the next Debian into a folder, for tests on a Debian 12 machine. Nothing is installed: each program is
# started by the C library that came with it.
# usage: tools/newer-servers.sh <folder>   then put <folder>/bin into TEST_SERVERS
set -euo pipefail

folder=$(mkdir -p "${1:?usage: tools/newer-servers.sh <folder>}" && cd "$1" && pwd)
[[ -e $folder/complete ]] && exit 0
rm -rf "${folder:?}"/*
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The machine's own mirror, asked for another suite. A state of its own, so that the machine's package lists stay as they are.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -E '/debian/?$' | head -n 1)
[[ -n $mirror ]] || { echo "this machine has no Debian package source" >&2; exit 1; }
mkdir -p "$work"/{parts,lists/partial,cache/archives/partial}
touch "$work/status"
printf 'Types: deb\nURIs: %s\nSuites: trixie\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n' "$mirror" >"$work/parts/next.sources"
apt=(apt-get -qq -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$work/parts" -o "Dir::State::lists=$work/lists"
  -o "Dir::Cache=$work/cache" -o "Dir::State::status=$work/status" -o APT::Sandbox::User=root)
"${apt[@]}" update
libraries=(libc6 libgcc-s1 libstdc++6 libatomic1 libjemalloc2 liblzf1 libssl3t64 libsystemd0 libcap2 libzstd1 zlib1g)
(cd "$work" && "${apt[@]}" download "${libraries[@]}" redis-tools valkey-tools)
for package in "$work"/*.deb; do dpkg-deb -x "$package" "$folder"; done

mkdir -p "$folder/bin"
loader=$(find "$folder/usr" -name 'ld-linux-*.so.*' | head -n 1)
for name in redis-server valkey-server; do
  # The servers are one program with the checkers of the tools' package.
  program=$(find "$folder/usr/bin" -name "${name%-server}-check-rdb" | head -n 1)
  printf '#!/bin/sh\nexec %q --library-path %q --argv0 %s %q "$@"\n' "$loader" "$(dirname "$loader")" "$name" "$program" >"$folder/bin/$name"
  chmod +x "$folder/bin/$name"
  "$folder/bin/$name" --version
done
touch "$folder/complete"
