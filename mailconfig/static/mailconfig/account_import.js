// Goes on with an import that takes longer than one request may, or that has to wait; without this, a person presses the button.
"use strict";
{
  const form = document.getElementById("mc-import");
  const seconds = Number(form.dataset.wait || 0);
  document.querySelectorAll("[data-goes-on]").forEach((words) => { words.hidden = !seconds; });
  window.setTimeout(() => form.requestSubmit(), seconds ? seconds * 1000 : 300);
}
