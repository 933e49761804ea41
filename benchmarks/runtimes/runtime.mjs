// What runtime.py is, for Node.js: runtime.mjs ASSET DESCRIPTOR.

import fs from "node:fs";
import https from "node:https";
import { createRequire } from "node:module";
import readline from "node:readline";

const [, , asset, descriptor] = process.argv;
const context = {
  awsRequestId: "11111111-2222-4333-8444-555555555555",
  functionName: "provider",
  invokedFunctionArn: "arn:aws:lambda:us-east-1:111122223333:function:provider",
  logStreamName: "stream",
  getRemainingTimeInMillis: () => 300_000,
};

function report(trouble = "") {
  const { user, system } = process.cpuUsage();
  fs.writeSync(Number(descriptor), JSON.stringify({ processor: (user + system) / 1e6, trouble }) + "\n");
}

// AwsCustomResource answers to port 443, whatever the response URL says; here the answers arrive at another one.
const request = https.request;
https.request = (options, ...rest) => request({ ...options, port: process.env.RESPONSE_PORT }, ...rest);

const { handler } = createRequire(asset + "/")(asset + "/index.js");
report();
for await (const line of readline.createInterface({ input: process.stdin })) {
  try {
    await handler(JSON.parse(line), context);
    report();
  } catch (error) {
    report(String(error));
  }
}
