/* Sign and send one request with a signed key. Node 18 or newer, nothing to install.

     export OTPB_KEY_ID=0193… OTPB_SECRET=otps_…
     node sign.mjs POST https://billing.example/api/v1/events '{"event_id": "1", "account_id": "a", "metric": "m"}'

   Prints the status and the body of the answer; the exit status is 0 for a 2xx. */
import { createHash, createHmac, randomBytes } from "node:crypto";
import { pathToFileURL } from "node:url";

/* The headers that prove who sends this request: for the path and query of `new URL(url)`, which is what fetch sends. */
export const signedHeaders = (keyId, secret, method, url, body) => {
  const { pathname, search } = new URL(url);
  const timestamp = String(Math.floor(Date.now() / 1000));
  const nonce = randomBytes(16).toString("hex");
  const query = search.slice(1).split("&").sort().join("&");
  const digest = createHash("sha256").update(body).digest("hex");
  const text = ["v1", timestamp, nonce, method, pathname, query, digest].join("\n");
  const signature = createHmac("sha256", secret).update(text).digest("hex");
  return { "X-Api-Key": keyId, "X-Timestamp": timestamp, "X-Nonce": nonce, "X-Signature": `v1=${signature}` };
};

/* Send one signed request. */
export const send = (method, url, body = "") => {
  const headers = signedHeaders(process.env.OTPB_KEY_ID, process.env.OTPB_SECRET, method, url, body);
  if (body) headers["Content-Type"] = "application/json";
  return fetch(url, { method, headers, body: body || undefined });
};

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const answer = await send(...process.argv.slice(2));
  console.log(answer.status);
  console.log(await answer.text());
  process.exitCode = answer.ok ? 0 : 1;
}
