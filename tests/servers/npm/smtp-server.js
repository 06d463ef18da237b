// Nodemailer's smtp-server as the tests want it: node smtp-server.js PORT RECORD CERTIFICATE KEY USER PASSWORD
"use strict";

const fs = require("fs");
const { SMTPServer } = require("smtp-server");

const [port, record, cert, key, user, password] = process.argv.slice(2);

function refusal(code, words) {
  const error = new Error(words);
  error.responseCode = code;
  return error;
}

const server = new SMTPServer({
  cert: fs.readFileSync(cert),
  key: fs.readFileSync(key),
  authMethods: ["PLAIN", "LOGIN", "CRAM-MD5"],
  allowInsecureAuth: true,
  disableReverseLookup: true,
  onAuth(auth, session, done) {
    const right = auth.method === "CRAM-MD5" ? auth.validatePassword(password) : auth.password === password;
    fs.appendFileSync(record, JSON.stringify({ auth: auth.method }) + "\n");
    if (auth.username === user && right) return done(null, { user });
    return done(refusal(535, "5.7.8 Authentication credentials invalid"));
  },
  onMailFrom(address, session, done) {
    if (address.address.startsWith("stranger@")) return done(refusal(550, "5.7.1 this sender is not yours"));
    return done();
  },
  onRcptTo(address, session, done) {
    if (address.address.startsWith("nobody@")) return done(refusal(550, "5.1.1 no such user here"));
    return done();
  },
  onData(stream, session, done) {
    const chunks = [];
    stream.on("data", (chunk) => chunks.push(chunk));
    stream.on("end", () => {
      const found = /^message-id:\s*(<[^>]+>)/im.exec(Buffer.concat(chunks).toString());
      fs.appendFileSync(record, JSON.stringify({ id: found && found[1] }) + "\n");
      done(null, "2.0.0 kept");
    });
  },
});

server.on("error", () => {});
server.listen(Number(port), "127.0.0.1");
