#!/bin/sh
# Measure every control on every .sumocfg below a folder, and keep the runs.
#
# usage: benchmarks/signals.sh CONFIGURATIONS OUT [SEEDS] [JOBS]
set -eu

if [ $# -lt 2 ] || [ ! -d "$1" ]; then
    echo "usage: $0 CONFIGURATIONS OUT [SEEDS] [JOBS]" >&2
    exit 2
fi
configurations=$1
out=$2
seeds=${3:-10}
jobs=${4:-2}

mkdir -p "$out"
# File names may hold blanks: one argument a file.
set --
for config in "$configurations"/*.sumocfg "$configurations"/*/*.sumocfg; do
    if [ -f "$config" ]; then
        set -- "$@" --city "$config"
    fi
done
if [ $# -eq 0 ]; then
    echo "$0: $configurations holds no .sumocfg" >&2
    exit 1
fi
exec "${CITYLOOP:-cityloop}" bench signals "$@" \
    --control shipped,fixed,fixed-tuned,actuated,actuated-tuned,max-pressure,brain \
    --sensing area:150 --seeds "$seeds" --jobs "$jobs" --keep "$out" --json "$out/bench.json"
