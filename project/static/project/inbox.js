// Looks for new mail every second, and leaves alone what is open.
"use strict";

async function refresh() {
  const shown = document.getElementById("mails");
  const answer = await fetch(location.href, { cache: "no-store" });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("mails");
  if (!fresh || fresh.dataset.count === shown.dataset.count) return;
  for (const open of shown.querySelectorAll("details[open]")) {
    fresh.querySelector(`#${open.id}`)?.setAttribute("open", "");
  }
  shown.replaceWith(fresh);
  document.title = page.title;
}

async function watch() {
  try {
    await refresh();
  } catch {
    // The demo was ended; it may come back.
  }
  setTimeout(watch, 1000);
}

watch();
