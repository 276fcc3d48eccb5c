#!/usr/bin/env bash
# Scores MIMO-UNet on the test split of DATASET with the weights CKPT; IMAGES: a folder for pictures.
# More flags of the configuration go behind; eval_logs/eval.log has what the program says.
# Untested on Ascend, none was at hand.
set -euo pipefail

is_word() { [ $# -gt 0 ] && [[ "$1" != --* ]]; }

if ! is_word "${@:1:1}" || ! is_word "${@:2:1}" || { is_word "${@:3:1}" && is_word "${@:4:1}"; }; then
    echo "Usage: bash $0 DATASET CKPT [IMAGES] [--KEY VALUE ...]" >&2
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
checkpoint=$(absolute "$2")
shift 2
images=""
if [ $# -gt 0 ] && [[ "$1" != --* ]]; then
    images=$(absolute "$1")
    shift
fi
if [ ! -d "$dataset" ]; then
    echo "error: DATASET=$dataset is not a folder" >&2
    exit 1
fi
if [ ! -f "$checkpoint" ]; then
    echo "error: CKPT=$checkpoint is not a file" >&2
    exit 1
fi

here=$(cd "$(dirname "$0")" && pwd)
suite=$(dirname "$(dirname "$here")")
export PYTHONPATH="$suite${PYTHONPATH:+:$PYTHONPATH}"
config="$here/../configs/ascend_config.yaml"
rm -rf eval_logs
mkdir eval_logs
nohup "${PYTHON:-python}" -m mindspore_impl.evaluate --config_path "$config" \
    --dataset_root "$dataset" --ckpt_file "$checkpoint" --img_save_directory "$images" "$@" \
    >eval_logs/eval.log 2>&1 &
echo "started, process $!: eval_logs/eval.log"
