// A passkey signs what a form says: the page asks for a challenge over its fields, and sends the answer with them.
// And the page of a run that is being sent says how far it is, until it has ended and is shown whole.
"use strict";

async function asked(form) {
  const fields = new FormData(form);
  for (const {name} of form.querySelectorAll("[type=password], [name=code], [name=shown]")) fields.delete(name);
  fields.set("for", new URL(form.action).pathname);
  const response = await fetch(form.dataset.challenge, {method: "POST", body: new URLSearchParams(fields)});
  const said = await response.json().catch(() => ({}));
  if (!response.ok || !said.ticket) throw new Error(said.problem ?? "Nothing was done. Open the page again.");
  return said;
}

async function sign(form) {
  const {ticket, publicKey} = await asked(form);
  const credential = publicKey.user
    ? await navigator.credentials.create({publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(publicKey)})
    : await navigator.credentials.get({publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(publicKey)});
  form.elements.ticket.value = ticket;
  form.elements.answer.value = JSON.stringify(credential.toJSON());
  form.submit();
}

for (const button of document.querySelectorAll("button[data-passkey]")) {
  if (!window.PublicKeyCredential?.parseRequestOptionsFromJSON) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const problem = button.form.querySelector("[data-problem]");
    button.disabled = true;
    problem.hidden = true;
    try {
      await sign(button.form);
    } catch (error) {
      problem.textContent = error instanceof DOMException ? "The passkey was not used; nothing was done." : error.message;
      problem.hidden = false;
      button.disabled = false;
    }
  });
}

// Not for ever: whoever left the page open must be signed out one day, even if the run stands still.
async function follow(going, looks = 600) {
  const response = await fetch(going.dataset.going).catch(() => null);
  const said = response?.ok ? await response.json().catch(() => ({})) : {};
  // An error says nothing of the run: to show the page again each time would go on for ever.
  if (response?.ok && !said.is_going) {
    location.reload();
  } else if (looks > 0) {
    going.textContent = said.words ?? going.textContent;
    going.nextElementSibling.value = said.done ?? going.nextElementSibling.value;
    setTimeout(follow, 1000, going, looks - 1);
  }
}

const going = document.querySelector("[data-going]");
if (going) setTimeout(follow, 1000, going);
