// A passkey signs what a form says: the page asks for a challenge over its fields, and sends the answer with them.
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
