// What an integrator does with devour-client, a JSON:API client from npm: the argument says where and as whom, and what
// was seen is printed as one JSON object.
"use strict";

const JsonApi = require("devour-client");

const given = JSON.parse(process.argv[2]);

function client() {
  const api = new JsonApi({ apiUrl: given.root, bearer: given.token, logger: false });
  const attributes = Object.fromEntries(
    ["email", ...Object.keys(given.values), "maxMailingsPerDay", "sendSuccessAt"].map((name) => [name, ""]),
  );
  api.define("user", {});
  api.define(
    "mailbox",
    { ...attributes, user: { jsonApi: "hasOne", type: "user" } },
    { collectionPath: "mailboxes", type: "mailbox" },
  );
  return api;
}

async function main() {
  const api = client();
  const made = [];
  for (let number = 0; number < given.mailboxes; number++) {
    const answer = await api.create("mailbox", { ...given.values, email: `shop${number}@example.com` });
    made.push(answer.data);
  }

  const query = {
    filter: { email: "shop1@example.com..inf" },
    sort: "-email",
    include: "user",
    fields: { mailbox: "email,user" },
    page: { size: 2 },
    count: true,
  };
  const page = await api.findAll("mailbox", query);
  const cursor = new URL(page.links.next).searchParams.get("page[after]");
  const next = await api.findAll("mailbox", { ...query, page: { size: 2, after: cursor } });

  const { data: read } = await api.find("mailbox", made[0].id);
  const { data: changed } = await api.update("mailbox", { id: read.id, email: read.email, maxMailingsPerDay: 250 });
  const tested = await api.request(`${given.root}/mailboxes/${read.id}/actions/testSend`, "POST");

  let refused = null;
  try {
    await api.update("mailbox", { id: read.id, email: "no address" });
  } catch (errors) {
    refused = Object.keys(errors);
  }

  await api.destroy("mailbox", read.id);
  let gone = "";
  try {
    await api.find("mailbox", read.id);
  } catch (error) {
    gone = Object.values(error)[0].title;
  }

  return {
    page: page.data.map((one) => one.email),
    next: next.data.map((one) => one.email),
    owners: page.data.map((one) => one.user.id),
    count: page.meta.count,
    limit: changed.maxMailingsPerDay,
    sendSuccessAt: tested.data.sendSuccessAt || tested.data.attributes.sendSuccessAt,
    refused,
    gone,
  };
}

main().then(
  (seen) => process.stdout.write(JSON.stringify(seen)),
  (error) => {
    process.stderr.write(`${error && error.stack ? error.stack : JSON.stringify(error)}\n`);
    process.exitCode = 1;
  },
);
