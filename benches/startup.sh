#!/bin/sh
# How long `jemscript -e '1+1'` takes beside a program that only loads libtorch. Wants a C++ compiler and GNU time.
#   benches/startup.sh target/release/jemscript .libtorch
set -eu
program=$1
lib=$(readlink -f "$2")/lib
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cuda=
[ -e "$lib/libtorch_cuda.so" ] && cuda=-ltorch_cuda
echo '#include <cstdio>
int main() { std::puts("2"); }' > "$place/load.cpp"
c++ -O1 "$place/load.cpp" -o "$place/load" -L"$lib" -Wl,--no-as-needed -ltorch -ltorch_cpu -lc10 $cuda \
    -Wl,-rpath,"$lib" -Wl,--allow-shlib-undefined
for _ in $(seq 20); do                             # in turn, so that both see the same machine
    command time -a -o "$place/torch" -f '%e %U %S' "$place/load" > /dev/null
    command time -a -o "$place/script" -f '%e %U %S' "$program" -e '1+1' > /dev/null
done
for name in torch script; do
    sort -n "$place/$name" | awk -v name="$name" '
        { wall[NR] = $1; cpu += $2 + $3 }
        END { printf "%-6s  wall: best %.2f s, median %.2f s; processor: mean %.3f s\n", name, wall[1], wall[int((NR + 1) / 2)], cpu / NR }'
done
