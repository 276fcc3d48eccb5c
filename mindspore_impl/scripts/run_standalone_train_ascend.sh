#!/usr/bin/env bash
# Trains MIMO-UNet on one device: DATASET with train and test, OUTPUT for checkpoints.
# More flags of the configuration go behind; logs/train.log has what the program says.
# Untested on Ascend, none was at hand.
set -euo pipefail

is_word() { [ $# -gt 0 ] && [[ "$1" != --* ]]; }

if ! is_word "${@:1:1}" || ! is_word "${@:2:1}" || is_word "${@:3:1}"; then
    echo "Usage: bash $0 DATASET OUTPUT [--KEY VALUE ...]" >&2
    exit 1
fi

# A path as it is from anywhere.
absolute() {
    case "$1" in
    /*) printf '%s\n' "$1" ;;
    *) printf '%s/%s\n' "$PWD" "$1" ;;
    esac
}

dataset=$(absolute "$1")
output=$(absolute "$2")
shift 2
if [ ! -d "$dataset" ]; then
    echo "error: DATASET=$dataset is not a folder" >&2
    exit 1
fi

here=$(cd "$(dirname "$0")" && pwd)
suite=$(dirname "$(dirname "$here")")
export PYTHONPATH="$suite${PYTHONPATH:+:$PYTHONPATH}"
config="$here/../configs/ascend_config.yaml"
rm -rf logs
mkdir logs
nohup "${PYTHON:-python}" -m mindspore_impl.train --config_path "$config" \
    --dataset_root "$dataset" --ckpt_save_directory "$output" \
    --is_train_distributed False --learning_rate 0.0001 "$@" >logs/train.log 2>&1 &
echo "started, process $!: logs/train.log"
