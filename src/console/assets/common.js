// What both pages share: calls of the API, what each call consisted of, the health, and how values look.

export const $ = (selector) => document.querySelector(selector);

// el creates an element. Children that are strings become text, never HTML.
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== false) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const decimals = new Intl.NumberFormat(undefined, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const whole = new Intl.NumberFormat();
const moment = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });
export const money = (value) => decimals.format(value);
export const count = (value) => whole.format(value);
export const when = (text) => moment.format(new Date(text));
export const date = (text) => day.format(new Date(text));
export const milliseconds = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;

// random returns a random number of so many bytes in hexadecimal. crypto.randomUUID would need https.
export function random(bytes) {
  return Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

// metrics reads a Server-Timing header: a duration in milliseconds and a description for each name.
function metrics(header) {
  const found = {};
  for (const [, name, rest] of (header ?? '').matchAll(/([\w-]+)((?:;\w+=(?:"[^"]*"|[^;,]*))*)/g)) {
    found[name] = { duration: Number(/;dur=([\d.]+)/.exec(rest)?.[1] ?? 0), description: /;desc="([^"]*)"/.exec(rest)?.[1] ?? '' };
  }
  return found;
}

// partsOf splits the time of a call: what one part contains of another one is counted once.
function partsOf(found) {
  const duration = (name) => found[name]?.duration ?? 0;
  if (!found.orders) return [['users', duration('users') - duration('users-store')], ['users-store', duration('users-store')]];
  return [
    ['orders', duration('orders') - duration('orders-store') - duration('users-call')],
    ['orders-store', duration('orders-store')],
    ['users', duration('users-call') - duration('retries') - duration('users-store')],
    ['users-store', duration('users-store')],
    ['retries', duration('retries')],
  ];
}

const titles = { orders: 'orders', 'orders-store': "orders' store", users: 'users', 'users-store': "users' store", retries: 'retries' };
const listeners = [];

// onCall registers a function that gets each call of the page when it has ended.
export const onCall = (listener) => listeners.push(listener);

// call sends a request to the API and returns the call with its answer. The page chooses the trace, so that the
// trace is recorded. A call that is quiet is the page's own polling.
export async function call(method, path, { body, headers = {}, quiet = false } = {}) {
  const trace = random(16);
  const result = { method, path, trace, quiet, at: new Date(), status: 0, data: null, metrics: {}, headers: new Headers() };
  if (body) headers = { ...headers, 'Content-Type': 'application/json' };
  const start = performance.now();
  try {
    const response = await fetch(path, {
      method, headers: { ...headers, traceparent: `00-${trace}-${random(8)}-01` }, body: body && JSON.stringify(body),
      cache: 'no-store', signal: AbortSignal.timeout(15_000),
    });
    Object.assign(result, { status: response.status, headers: response.headers, metrics: metrics(response.headers.get('Server-Timing')) });
    result.data = await response.json();
  } catch {
    result.problem = result.status ? 'The answer is not JSON.' : 'There is no answer.';
  }
  result.duration = performance.now() - start;
  result.ok = result.status >= 200 && result.status < 300 && result.data !== null;
  if (!result.ok) result.problem = result.data?.error ?? result.problem ?? `The status is ${result.status}.`;
  for (const listener of listeners) listener(result);
  return result;
}

const traceURL = $('meta[name=trace-url]').content;

function traceLink(trace) {
  return traceURL ? el('a', { href: traceURL.replaceAll('{trace_id}', trace), rel: 'noreferrer', target: '_blank' }, trace) : trace;
}

function remarks(result) {
  const found = [];
  if (result.headers.get('Idempotency-Replayed')) found.push(el('span', { class: 'tag shipped' }, 'replayed'));
  if (result.degraded ?? isDegraded(result.data)) found.push(el('span', { class: 'tag degraded' }, 'degraded'));
  const note = result.metrics['users-call']?.description;
  if (note) found.push(el('span', { class: 'tag' }, note));
  return found;
}

// isDegraded tells whether an answer lacks the users.
export const isDegraded = (data) => data?.communication_status === 'failed';

const outcome = (result) => (result.ok ? 'ok' : result.status && result.status < 500 ? 'degraded' : 'failed');

function showCall(result) {
  const parts = partsOf(result.metrics).filter(([, duration]) => duration > 0);
  const text = parts.map(([name, duration]) => `${titles[name]} ${milliseconds(duration)}`).join(', ');
  const bar = el('span', { class: 'parts', role: 'img', 'aria-label': text ? `Where the time went: ${text}` : 'Nothing is known of where the time went' });
  for (const [name, duration] of parts) {
    const part = el('i', { class: `p-${name}`, title: `${titles[name]} ${milliseconds(duration)}` });
    part.style.flexGrow = duration * 1000; // a sum below 1 would not fill the bar
    bar.append(part);
  }
  const facts = [['at', clock.format(result.at)], ['in all', milliseconds(result.duration)]];
  for (const [name, duration] of parts) facts.push([titles[name], milliseconds(duration)]);
  for (const name of ['orders', 'users']) {
    if (result.metrics[name]?.description) facts.push([`pod of ${name}`, result.metrics[name].description]);
  }
  facts.push(['trace', traceLink(result.trace)]);
  return el('li', {}, el('details', {},
    el('summary', {},
      el('span', {}, el('span', { class: `tag ${outcome(result)}` }, String(result.status || 'none'))),
      el('span', { class: 'path' }, `${result.method} ${result.path}`, ...remarks(result)),
      el('span', { class: 'number' }, milliseconds(result.duration)), bar,
      el('span', { class: 'trace', title: result.trace }, result.trace.slice(0, 8))),
    el('div', { class: 'inside' },
      result.ok ? null : el('p', { class: `note ${outcome(result)}` }, result.problem),
      el('dl', {}, ...facts.flatMap(([name, value]) => [el('dt', {}, name), el('dd', {}, value)])))));
}

// listCalls shows the last calls, and which pods answered them.
export function listCalls() {
  const list = $('#calls');
  onCall((result) => {
    if (result.quiet && !$('#show-own').checked) return;
    list.prepend(showCall(result));
    while (list.children.length > 50) list.lastChild.remove();
  });
}

// countPods shows which pods of a service have answered, and how many calls each.
export function countPods(service, list) {
  const answered = new Map();
  onCall(({ metrics: found }) => {
    const pod = found[service]?.description;
    if (!pod) return;
    answered.set(pod, (answered.get(pod) ?? 0) + 1);
    list.replaceChildren(...[...answered].sort().map(([name, calls]) => el('li', {}, `${name} `, el('b', {}, count(calls)))));
  });
}

// setText changes a text only if it differs, so that screen readers and selections are left alone.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// showState shows a state of a part of the system, and what it means.
export function showState(id, state, meaning) {
  const node = $(id);
  node.className = `card node ${state}`;
  const tag = node.querySelector('.tag');
  tag.className = `tag ${state}`;
  setText(tag, state === 'unreachable' ? 'no answer' : state);
  setText(node.querySelector('p'), meaning);
}

// askHealth asks for the health, and shows that of the service and of its store. It returns the answer, or null.
export async function askHealth(service) {
  const { ok, data } = await call('GET', '/health', { quiet: true });
  if (!ok) {
    showState('#node-own', 'unreachable', `${service} does not answer this page: it is stopped, or the way to it is closed.`);
    showState('#node-store', 'unknown', `Only ${service} knows.`);
    return null;
  }
  setText($('#version'), data.version);
  showState('#node-own', data.status, data.status === 'healthy' ? 'Answers, and so does what it needs.' : 'Answers, but something that it needs does not.');
  showState('#node-store', data.store, data.store === 'healthy'
    ? 'Reads and writes.'
    : `${service} cannot read or write: its calls get 503, and Kubernetes sends it no more of them.`);
  return data;
}

// poll calls the tasks in turn, about one a second, while somebody can see the page.
export function poll(tasks) {
  let next = 0;
  const step = async () => {
    try {
      if (!document.hidden) await tasks[next++ % tasks.length]();
    } finally {
      setTimeout(step, 1150);
    }
  };
  step();
}

// note shows a sentence, or hides it.
export function note(element, tone, ...content) {
  element.hidden = content.length === 0;
  element.className = `note ${tone}`;
  element.replaceChildren(...content);
}

// members reads a form. A field without a value is left out; one in numbers becomes a number if it is one.
export function members(form, numbers = []) {
  const body = {};
  for (const [name, value] of new FormData(form)) {
    if (value.trim() === '') continue;
    body[name] = numbers.includes(name) && Number.isFinite(Number(value)) ? Number(value) : value;
  }
  return body;
}

// showErrors shows the errors of a problem beside their fields, and returns those that have no field.
export function showErrors(form, errors = []) {
  for (const field of form.querySelectorAll('.field')) {
    const input = field.querySelector('input');
    const own = errors.filter((error) => error.field === input.name);
    field.querySelector('.error')?.remove();
    input.removeAttribute('aria-invalid');
    input.removeAttribute('aria-describedby');
    if (own.length === 0) continue;
    const id = `${input.id}-error`;
    field.append(el('p', { class: 'error', id }, own.map((error) => error.message).join('; ')));
    input.setAttribute('aria-invalid', 'true');
    input.setAttribute('aria-describedby', id);
  }
  form.querySelector('[aria-invalid=true]')?.focus();
  return errors.filter((error) => !form.elements[error.field]);
}

// showRows shows a row for each item. Rows of items that have not changed stay as they are, and so does the focus.
export function showRows(body, items, row, empty) {
  const before = new Map([...body.children].map((tr) => [tr.dataset.id, tr]));
  const samePage = items.some((item) => before.has(String(item.id)));
  const focused = document.activeElement?.dataset?.focus;
  const rows = items.map((item) => {
    const text = JSON.stringify(item);
    const old = before.get(String(item.id));
    if (old?.dataset.text === text) return old;
    const tr = row(item);
    Object.assign(tr.dataset, { id: item.id, text });
    tr.setAttribute('role', 'row');
    for (const cell of tr.cells) cell.setAttribute('role', 'cell');
    tr.classList.toggle('new', samePage);
    return tr;
  });
  if (rows.length === 0) rows.push(el('tr', { role: 'row' }, el('td', { role: 'cell', class: 'empty', colspan: 5 }, empty)));
  if (rows.length === body.children.length && rows.every((tr, i) => tr === body.children[i])) return;
  body.replaceChildren(...rows);
  if (focused) body.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
}
