#!/bin/sh
# The runs of the weights that ship, on a machine with a GPU that is lent for some minutes at a time:
#
#     models/training/runs/on_gpu.sh PARCEL RUNS MINUTES [PYTHON]
#
# PARCEL: folder made by `gleaner train parcel` (under 60 MB). RUNS: where checkpoints lie; take it along from lease to lease, and
# call the same again: each run goes on where it stood. The bank comes first and gets half of the minutes until it is done; GLEAN
# begins without it and takes it in once RUNS/bank has grown to 256 pixels. bfloat16, channels last and torch.compile by themselves.
set -eu
parcel=$1 runs=$2 minutes=$3 python=${4:-python}
here=$(dirname "$0")
ended=$(($(date +%s) + minutes * 60))
left() { echo $(((ended - $(date +%s)) / 60)); }

"$python" -m gleaner train bank --config "$here/bank-gpu.toml" --data "$parcel" --out "$runs/bank" \
    --device cuda --minutes $((minutes / 2)) | tee -a "$runs/log.txt"
join=
case $(tail -n 1 "$runs/log.txt") in
*256\ pixels,\ finished*) join="--bank $runs/bank/bank.safetensors" ;;
esac
# shellcheck disable=SC2086
"$python" -m gleaner train glean --config "$here/glean-s-x4-gpu.toml" --data "$parcel" --out "$runs/glean-s-x4" \
    --device cuda --minutes "$(left)" $join
