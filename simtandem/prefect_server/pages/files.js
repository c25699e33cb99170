"use strict";
// Asks for what this page's address names with the credential that the UI keeps; the answer opens it once.
const CREDENTIAL = "prefect-password";
const path = location.pathname;
const api = "/api/simtandem/files" + path.slice("/simtandem".length);
const name = decodeURIComponent(path.split("/").pop());
const at = id => document.getElementById(id);

function say(text) {
  at("message").textContent = text;
}

function ask(method) {
  const credential = localStorage.getItem(CREDENTIAL);
  return fetch(api, { method, headers: credential ? { Authorization: `Basic ${credential}` } : {} });
}

function list(folders) {
  at("title").textContent = "Files";
  say(folders.some(each => each.names.length) ? "" : "Nothing was left here, or it was removed.");
  at("files").replaceChildren(...folders.flatMap(({ folder, names }) => {
    const heading = document.createElement("h2");
    heading.textContent = folder.replace(/\/$/, "");
    const files = document.createElement("ul");
    for (const each of names) {
      const link = document.createElement("a");
      link.href = `/simtandem/${folder}${each}`;
      link.textContent = each;
      const item = document.createElement("li");
      item.append(link);
      files.append(item);
    }
    return [heading, files];
  }));
}

function open(ticket) {
  const form = document.createElement("form");
  form.method = "post";
  form.action = path;
  const field = document.createElement("input");
  field.type = "hidden";
  field.name = "ticket";
  field.value = ticket;
  form.append(field);
  document.body.append(form);
  form.submit();
  if (!name.endsWith(".html")) say(`${name} is downloaded.`);
}

// A ticket that opens nothing leads back to this page: it is asked for a few times, and not for ever.
function askedTooOften() {
  const key = `asked ${path}`;
  const lately = (sessionStorage.getItem(key) || "").split(" ").filter(at => Date.now() - Number(at) < 10_000);
  sessionStorage.setItem(key, [...lately, Date.now()].join(" "));
  return lately.length >= 5;
}

async function show() {
  const folder = path.endsWith("/");
  if (!folder) {
    at("title").textContent = name;
    at("more").hidden = false;
  }
  const answer = await ask(folder ? "GET" : "POST");
  at("login").hidden = answer.status !== 401;
  if (answer.status === 401) {
    say(localStorage.getItem(CREDENTIAL) ? "This login is not valid, or not any more." : "Log in to see this.");
    at("credential").focus();
  } else if (answer.status === 404) {
    say("There is no such file here. It may have been removed, or the run left it on another machine.");
  } else if (answer.status === 503) {
    const told = await answer.json().catch(() => ({}));
    say(told.detail || "The server is busy. Load this page again in a moment.");
  } else if (!answer.ok) {
    say(`The server answered ${answer.status}. Load this page again in a moment.`);
  } else if (folder) {
    list(await answer.json());
  } else {
    open(await answer.text());
  }
}

at("login").addEventListener("submit", event => {
  event.preventDefault();
  const bytes = new TextEncoder().encode(at("credential").value.trim());
  localStorage.setItem(CREDENTIAL, btoa(String.fromCharCode(...bytes)));
  show().catch(failed);
});

function failed() {
  say("The server can't be reached. Load this page again in a moment.");
}

if (!path.endsWith("/") && askedTooOften()) {
  at("title").textContent = name;
  at("more").hidden = false;
  say("It could not be opened. Load this page again in a moment.");
} else {
  show().catch(failed);
}
