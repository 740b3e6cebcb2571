// Express, as tutorials have it: an array of responses, and a `write` to each.
import express from "express";

const app = express();
app.use(express.json());

let clients = [];

app.get("/room", (request, response) => {
  response.writeHead(200, {
    "Content-Type": "text/event-stream",
    Connection: "keep-alive",
    "Cache-Control": "no-cache",
  });
  response.flushHeaders();
  clients.push(response);
  request.on("close", () => {
    clients = clients.filter((client) => client !== response);
  });
});

app.post("/room", (request, response) => {
  const message = request.body;
  response.status(201).json(message);
  clients.forEach((client) => client.write(`data: ${JSON.stringify(message)}\n\n`));
});

export default app;
