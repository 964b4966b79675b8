#!/bin/sh
# Samples a second of a JEM training: one process on one thread, one on two threads, two ranks of one thread each, and PyTorch's
# DistributedDataParallel on two processes of one thread, by turns. All use one libtorch. Each rank has 64 rows.
#   benches/scaling.sh target/release/jemscript .libtorch
set -eu
program=$1
packages=$(dirname "$(readlink -f "$2")")
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
for net in ${NETS:-digits garments}; do
    count=200
    [ "$net" = garments ] && count=20
    for round in $(seq "${ROUNDS:-5}"); do
        set -- benches/iteration.rhai "net=$net" "iterations=$count"
        one=$("$program" "$@" --threads 1 --quiet --out "$place/$net-a$round" | tail -1)
        two=$("$program" "$@" --threads 2 --quiet --out "$place/$net-b$round" | tail -1)
        ranks=$("$program" launch --nproc 2 "$@" batch_size=128 --threads 1 --quiet --out "$place/$net-c$round" | tail -1)
        share=$(sed -n 's/.*"train":"timed".*"exchanges":\([0-9.e-]*\).*/\1/p' "$place/$net-c$round/events.jsonl")
        theirs=$(OMP_NUM_THREADS=1 PYTHONPATH="$packages" python3 -m torch.distributed.run --standalone --nproc-per-node 2 \
            benches/ddp.py "$net" "$count" 2>/dev/null | tail -1)
        echo "$one $two $ranks $theirs $share $count" >> "$place/$net"
    done
    awk -v net="$net" '
        { a = 64 / $1; b = 64 / $2; c = 128 / $3; d = 128 / $4; s = $5 / ($3 * $6)
          if (a > A) A = a; if (b > B) B = b; if (c > C) C = c; if (d > D) D = d; sum += s }
        END { printf "%-8s  samples/s, best of %d: one thread %.0f, two threads %.0f, two ranks %.0f (%.2f of one), DDP %.0f; in exchanges %.0f %%\n",
                     net, NR, A, B, C, C / A, D, 100 * sum / NR }' "$place/$net"
done
