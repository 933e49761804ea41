#!/bin/sh
# What native_type.py tells, one command after another, on the local AWS in FOLDER: `make compare`.
set -u

demo() {
  python -m cleanrooms_local_aws demo --folder "$FOLDER" | sed -n "s/^$1 id *//p"
}
NATIVE=$(demo membership)
OURS=$(demo "second membership")

deploy() {
  printf '\n$ cdk deploy %s -c refresh=%s\n' "$1" "$2"
  python -m cleanrooms_local_aws exec --folder "$FOLDER" -- \
    cdk deploy "$1" --app "python examples/native_type.py" -c native="$NATIVE" -c ours="$OURS" -c refresh="$2" \
    --output "$FOLDER/cdk.out" --require-approval never --no-notices --progress events --ci 2>&1 |
    awk '
      /PrivacyBudgetTemplate +[|]/ && match($0, /[A-Z]+_(COMPLETE|FAILED)/) {
        event = substr($0, RSTART, RLENGTH)
        match($0, /[A-Za-z:]+PrivacyBudgetTemplate/)
        event = event " " substr($0, RSTART, RLENGTH)
        if (!seen[event]++) print event
        if (sub(/.*Message returned: /, "") && sub(/ .RequestId.*/, "") && !seen[$0]++) print
      }
      /✅|❌/ && !seen[$0]++
    ' | fold -s -w 120 | sed 's/ *$//'
}

spend() {
  printf '\n$ python -m cleanrooms_local_aws spend 20 --membership %s\n' "$1"
  python -m cleanrooms_local_aws spend 20 --membership "$1" --folder "$FOLDER" 2>&1
}

status() {
  printf '\n$ privacy-budget status %s %s | grep -E "membership|Refresh|COUNT$"\n' "$NATIVE" "$OURS"
  COLUMNS=140 privacy-budget status "$NATIVE" "$OURS" | sed 's/ *$//' | grep -E "membership|Refresh|COUNT$"
}

deploy Native NONE
deploy Ours NONE
spend "$NATIVE"
spend "$OURS"
status
deploy Native CALENDAR_MONTH
deploy Ours CALENDAR_MONTH
status
