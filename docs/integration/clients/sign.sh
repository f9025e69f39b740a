#!/bin/sh
# Sign and send one request with a signed key: curl, openssl and a POSIX shell.
#
#   export OTPB_KEY_ID=0193… OTPB_SECRET=otps_…
#   sh sign.sh POST https://billing.example/api/v1/events '{"event_id": "1", "account_id": "a", "metric": "m"}'
#
# Prints the status and the body of the answer; the exit status is 0 for a 2xx. Write the address as it should be
# sent, with every blank and special character as %XX: it is signed and sent just so. openssl takes the secret as an argument, which the
# other users of a machine can see: there, use one of the other clients.
set -eu
export LC_ALL=C

method=$1 url=${2%%#*} body=${3-}
rest=${url#*://} query=
case $rest in *\?*) query=${rest#*\?} rest=${rest%%\?*} ;; esac
case $rest in */*) path=/${rest#*/} ;; *) path=/ ;; esac
sorted=$(printf '%s\n' "$query" | tr '&' '\n' | sort | paste -sd '&' -)
timestamp=$(date +%s)
nonce=$(openssl rand -hex 16)
digest=$(printf '%s' "$body" | openssl dgst -sha256 -r | cut -d ' ' -f 1)
signature=$(printf 'v1\n%s\n%s\n%s\n%s\n%s\n%s' "$timestamp" "$nonce" "$method" "$path" "$sorted" "$digest" |
  openssl dgst -sha256 -hmac "$OTPB_SECRET" -r | cut -d ' ' -f 1)

set -- --silent --show-error --globoff --path-as-is --request "$method" --write-out '\n%{http_code}' \
  --header "X-Api-Key: $OTPB_KEY_ID" --header "X-Timestamp: $timestamp" \
  --header "X-Nonce: $nonce" --header "X-Signature: v1=$signature"
[ -n "$body" ] && set -- "$@" --header "Content-Type: application/json" --data-binary "$body"
answer=$(curl "$@" "$url")
status=${answer##*
}
printf '%s\n%s\n' "$status" "${answer%
*}"
case $status in 2*) exit 0 ;; *) exit 1 ;; esac
