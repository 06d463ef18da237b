// Asks for the next piece of an action on many mails by itself. Without this there is a button.
"use strict";
addEventListener("DOMContentLoaded", () => document.querySelector("form[data-continues]")?.requestSubmit());
