// What an integrator does with a client that openapi-typescript-codegen made of the email service's document: the argument
// says where and as whom, and what was seen is printed as one JSON object. Compiled beside the client, in ./client.
import { ApiError, EmailMessageAnswer, EmailServiceService as service, OpenAPI } from "./client";

declare const process: { argv: string[]; exitCode: number; stdout: { write(text: string): void } };

const given = JSON.parse(process.argv[2]) as {
  root: string;
  token: string;
  tenant: string;
  login: { smtp_host: string; smtp_port: string; smtp_user: string };
  passwords: string[];
};
const { tenant } = given;
OpenAPI.BASE = given.root;
OpenAPI.TOKEN = given.token;

// The client hands on bodies only; the mail's id stands in a field of the answer.
const seen = { places: [] as string[], hosts: new Set<string>() };
const send = globalThis.fetch;
globalThis.fetch = async (...request) => {
  const answer = await send(...request);
  seen.hosts.add(new URL(answer.url).host);
  const place = answer.headers.get("Location");
  if (place) seen.places.push(place);
  return answer;
};

async function refused(asked: Promise<unknown>): Promise<number> {
  try {
    await asked;
  } catch (error) {
    if (error instanceof ApiError) return error.status;
    throw error;
  }
  return 0;
}

async function main() {
  const requestBody = { recipient: "customer@example.net", subject: "Order", message: "Two\nlines" };
  const order = { tenant, requestId: "order-1" };
  const answers = await Promise.all(
    [1, 2, 3].map(() => service.sendEmail({ ...order, requestBody })),
  );
  const other = await refused(service.sendEmail({ ...order, requestBody: { recipient: "customer@example.net" } }));

  const messageId = new URL(seen.places[0], given.root).pathname.split("/").pop() as string;
  const waiting: EmailMessageAnswer = await service.getEmailMessage({ tenant, messageId });
  await service.cancelEmailMessage({ tenant, messageId });
  const cancelled = await service.getEmailMessage({ tenant, messageId });

  const tried = [];
  for (const smtp_pass of given.passwords) {
    tried.push((await service.validateCredentials({ tenant, requestBody: { ...given.login, smtp_pass } })).success);
  }
  return {
    messages: [...new Set(answers.map((answer) => answer.message))].length,
    places: [...new Set(seen.places)].length,
    other,
    id: waiting.id === messageId,
    waiting: waiting.state === EmailMessageAnswer.state.QUEUED,
    cancelled: cancelled.state === EmailMessageAnswer.state.CANCELLED,
    gone: await refused(service.getEmailMessage({ tenant: "nobody", messageId })),
    malformed: await refused(service.sendEmail({ tenant, requestBody: { recipient: "" } })),
    tried,
    hosts: [...seen.hosts],
  };
}

main().then(
  (found) => process.stdout.write(JSON.stringify(found)),
  (error) => {
    process.stdout.write(error instanceof Error ? String(error.stack) : JSON.stringify(error));
    process.exitCode = 1;
  },
);
