#!/usr/bin/env bash
# Runs the cases of the lab (../shared/lab, scripted servers of the kinds that
# people meet) that .ci/lab-passing lists, where the lab is there. Add a case
# to the list, one FOLDER/NAME a line, as soon as it passes. Needs ./mailhaul.
set -euo pipefail
cd "$(dirname "$0")/.."
lab=../shared/lab
if [ ! -e "$lab/check" ]; then
	echo "SKIPPED the lab: $lab is not here"
	exit 0
fi
cases=$(grep -v '^#' .ci/lab-passing | paste -sd, -)
# Its time limits are a quiet machine's; five at a time, as they mostly wait.
python3 "$lab/check" --bin ./mailhaul --patience 3 --jobs 5 --only "$cases"
