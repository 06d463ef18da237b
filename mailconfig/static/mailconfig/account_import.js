// Goes on with an import that takes longer than one request may; without this, a person presses the button.
"use strict";
window.setTimeout(() => document.getElementById("mc-import").requestSubmit(), 300);
