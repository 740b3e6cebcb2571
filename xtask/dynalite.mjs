// A DynamoDB for local runs: dynalite, with the table that the function wants. The first line of its standard input is
// JSON: {"port": 8000, "state": "folder", "table": "ssedge"}; without a folder it keeps everything in memory. Once it
// serves, it prints {"port": 8000}. It ends when its standard input does.
//
// It has no TTL: what has expired is not read, but stays in the folder.
import dynalite from "dynalite";
import { once } from "node:events";
import { ended, settings } from "./input.mjs";

const { port, state, table } = settings;
const server = dynalite({ path: state, createTableMs: 0 });
server.listen(port, "127.0.0.1");
await once(server, "listening");

// As in template.yaml.
const schema = {
  TableName: table,
  AttributeDefinitions: [
    { AttributeName: "channel", AttributeType: "S" },
    { AttributeName: "id", AttributeType: "N" },
  ],
  KeySchema: [
    { AttributeName: "channel", KeyType: "HASH" },
    { AttributeName: "id", KeyType: "RANGE" },
  ],
  BillingMode: "PAY_PER_REQUEST",
};
const base = `http://127.0.0.1:${server.address().port}`;
/** dynalite wants a signature, and takes any. */
const ask = (operation, body) =>
  fetch(base, {
    method: "POST",
    headers: {
      "Content-Type": "application/x-amz-json-1.0",
      "X-Amz-Target": `DynamoDB_20120810.${operation}`,
      "X-Amz-Date": "20260101T000000Z",
      Authorization: "AWS4-HMAC-SHA256 Credential=local/20260101/local/dynamodb/aws4_request, SignedHeaders=host, Signature=local",
    },
    body: JSON.stringify(body),
  }).then((answer) => answer.json());

const created = await ask("CreateTable", schema);
if (!created.TableDescription && !String(created.__type).endsWith("#ResourceInUseException")) {
  throw new Error(`dynalite makes no table: ${JSON.stringify(created)}`);
}
while ((await ask("DescribeTable", { TableName: table })).Table?.TableStatus !== "ACTIVE") {
  await new Promise((resolve) => setTimeout(resolve, 5));
}
console.log(JSON.stringify({ port: server.address().port }));

const stop = () => process.exit(0);
process.on("SIGTERM", stop);
process.on("SIGINT", stop);
ended.then(stop);
