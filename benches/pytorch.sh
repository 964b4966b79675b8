#!/bin/sh
# A JEM iteration here beside the same one in plain PyTorch, one thread each, by turns. Both use one libtorch.
#   benches/pytorch.sh target/release/jemscript .libtorch
set -eu
program=$1
packages=$(dirname "$(readlink -f "$2")")
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
export OMP_NUM_THREADS=1 PYTHONPATH="$packages"
for net in mlp digits garments; do
    count=200
    [ "$net" = garments ] && count=20
    for round in $(seq "${ROUNDS:-9}"); do
        ours=$("$program" benches/pytorch.rhai "net=$net" "iterations=$count" --threads 1 --out "$place/$net-$round" | tail -1)
        theirs=$(python3 benches/pytorch.py "$net" "$count")
        echo "$ours $theirs" >> "$place/$net"
    done
    awk '{ print $2 / $1, $1, $2 }' "$place/$net" | sort -n | awk -v net="$net" '
        { ratio[NR] = $1; if (!a || $2 < a) a = $2; if (!b || $3 < b) b = $3 }
        END { printf "%-8s  PyTorch/jemscript: median %.2f (%.2f to %.2f); best %.2f ms and %.2f ms\n", net, ratio[int((NR + 1) / 2)],
                     ratio[1], ratio[NR], 1e3 * b, 1e3 * a }'
done
