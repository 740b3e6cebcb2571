// Streams held in a Durable Object, in plain JavaScript, with one INSERT per post.
import worker, { Room as Plain } from "./js-do.mjs";

export class Room extends Plain {
  constructor(ctx, env) {
    super(ctx, env);
    ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY, text TEXT NOT NULL)");
  }

  post(message) {
    this.ctx.storage.sql.exec("INSERT INTO messages (text) VALUES (?)", message.text);
    return super.post(message);
  }
}

export default worker;
