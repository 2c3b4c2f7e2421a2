// The page of orders.
import { $, askHealth, call, count, countPods, el, isDegraded, listCalls, members, milliseconds, money, note, poll, random, setText, showErrors, showRows, showState, when } from './common.js';

const statuses = ['pending', 'shipped', 'completed', 'cancelled'];
const actions = {
  pending: [['Ship', 'shipped'], ['Cancel', 'cancelled']],
  shipped: [['Complete', 'completed'], ['Cancel', 'cancelled']],
};
const usersMeanings = {
  healthy: 'Says that it is well.',
  unhealthy: 'Answers, but not that it is well.',
  unreachable: 'Orders come without their users, new ones are refused, and nothing is lost.',
};

/* Health */

async function health() {
  const data = await askHealth('orders');
  const state = data?.dependencies['users-service'] ?? 'unknown';
  showState('#node-users', state, usersMeanings[state] ?? 'Only orders knows.');
}

/* Figures */

async function figures(quiet = true) {
  const { ok, data } = await call('GET', '/orders/stats', { quiet });
  if (!ok) return;
  setText($('#total'), count(data.total_orders));
  setText($('#revenue'), money(data.total_revenue));
  setText($('#average'), money(data.average_order_value));
  const numbers = statuses.map((status) => [status, data.orders_by_status[status] ?? 0]);
  $('#share').replaceChildren(...numbers.filter(([, number]) => number > 0).map(([status, number]) => {
    const part = el('i', { class: status });
    part.style.flexGrow = number;
    return part;
  }));
  $('#statuses').replaceChildren(...numbers.map(([status, number]) => el('li', { class: status }, `${status} `, el('b', {}, count(number)))));
}

/* The list */

const filters = $('#filters');
let cursor = ''; // of the page that is shown; empty: the newest orders
let next = ''; // of the page after it
let shown = []; // the orders on the page

function row(order) {
  const user = order.user ? `${order.user.name}, user ${order.user_id}` : `user ${order.user_id}, not known at the moment`;
  return el('tr', {},
    el('td', { class: 'id' }, `#${order.id}`, el('small', {}, when(order.created_at))),
    el('td', { class: order.user ? 'what' : 'what missing' }, order.product, el('small', {}, user)),
    el('td', { class: 'number' }, money(order.quantity * order.price), el('small', {}, `${count(order.quantity)} × ${money(order.price)}`)),
    el('td', { class: 'state' }, el('span', { class: `tag ${order.status}` }, order.status)),
    el('td', { class: 'actions' }, el('div', { class: 'row' }, ...(actions[order.status] ?? []).map(([title, status]) => el('button', {
      type: 'button', class: 'small', 'aria-label': `${title} order ${order.id}`, 'data-focus': `${title}-${order.id}`,
      onclick: () => change(order, status),
    }, title)))));
}

async function list(quiet = true) {
  const query = new URLSearchParams({ limit: '12', expand: 'user', sort: '-id' });
  for (const [name, value] of new FormData(filters)) if (value) query.set(name, value);
  if (cursor) query.set('cursor', cursor);
  const asked = query.toString();
  const result = await call('GET', `/orders?${asked}`, { quiet });
  if (asked !== listed(query)) return; // another page was chosen meanwhile
  if (!result.ok) {
    note($('#orders-note'), 'failed', result.data?.errors?.map((error) => `${error.field} ${error.message}`).join('; ') ?? result.problem);
    return;
  }
  shown = result.data.orders;
  next = result.data.next_cursor ?? '';
  if (isDegraded(result.data)) {
    note($('#orders-note'), 'degraded', 'Degraded: users does not answer, so the orders come without their users.');
    if ($('#node-users').classList.contains('healthy')) showState('#node-users', 'unreachable', usersMeanings.unreachable);
  } else {
    note($('#orders-note'), '');
  }
  showRows($('#orders'), shown, row, 'There is no such order.');
  $('#older').disabled = !next;
  $('#newest').disabled = !cursor;
  setText($('#page-note'), shown.length ? `orders ${shown.at(-1).id} to ${shown[0].id}` : '');
  const users = new Map(shown.filter((order) => order.user?.active).map((order) => [order.user_id, order.user.name]));
  $('#known-users').replaceChildren(...[...users].map(([id, name]) => el('option', { value: id }, name)));
}

// listed returns the query of the page that is to be shown now, with the fixed parameters of query.
function listed(query) {
  const now = new URLSearchParams({ limit: query.get('limit'), expand: 'user', sort: '-id' });
  for (const [name, value] of new FormData(filters)) if (value) now.set(name, value);
  if (cursor) now.set('cursor', cursor);
  return now.toString();
}

function turn(to) {
  cursor = to;
  list(false);
}

filters.addEventListener('input', () => turn(''));
filters.addEventListener('submit', (event) => event.preventDefault());
$('#newest').addEventListener('click', () => turn(''));
$('#older').addEventListener('click', () => turn(next));

async function change(order, status) {
  const result = await call('PATCH', `/orders/${order.id}`, { body: { status } });
  await Promise.all([list(), figures()]);
  if (!result.ok) note($('#orders-note'), 'failed', result.problem);
}

/* A new order. Its key stays the same until the order changes, so that a repeated click is the same order. */

const place = $('#place');
let key = random(16);
let created = 0; // the ID of the order that the key has created

function renew() {
  key = random(16);
  created = 0;
  $('#another').hidden = true;
}

place.addEventListener('input', renew);
$('#another').addEventListener('click', () => {
  renew();
  note($('#place-note'), '');
  $('#product').focus();
});
place.addEventListener('submit', async (event) => {
  event.preventDefault();
  const body = members(place, ['user_id', 'quantity', 'price']);
  const result = await call('POST', '/orders', { body, headers: { 'Idempotency-Key': key } });
  const rest = showErrors(place, result.data?.errors);
  if (result.ok) {
    const { id } = result.data.order;
    const again = result.headers.has('Idempotency-Replayed') || created === id;
    created = id;
    $('#another').hidden = false;
    note($('#place-note'), again ? 'shipped' : 'ok', again
      ? `Replayed: it is still order ${id}, and nothing new was created.`
      : `Order ${id} for ${result.data.user_info.name} is placed.`);
    await Promise.all([list(), figures()]);
  } else if (result.data?.errors && rest.length === 0) {
    note($('#place-note'), 'failed', 'The order is not placed: see the fields above.');
  } else {
    note($('#place-note'), 'failed', result.problem);
  }
});

/* Keep asking */

const capacity = 240;
const most = 5 * 60 * 1000; // milliseconds
const samples = [];
let timer = 0;
let began = 0;
let turns = 0;
let open = 0; // calls that have no answer yet

async function ask() {
  if (performance.now() - began > most) return stop('It has stopped by itself after five minutes.');
  if (open >= 8 || shown.length === 0) return;
  open++;
  const result = await call('GET', `/orders/${shown[turns++ % shown.length].id}/details`);
  open--;
  samples.push({ duration: result.duration, at: result.at, outcome: !result.ok ? 'failed' : isDegraded(result.data) ? 'degraded' : 'ok' });
  if (samples.length > capacity) samples.shift();
  draw();
}

function draw() {
  const chart = $('#chart');
  const top = Math.max(20, ...samples.map((sample) => sample.duration));
  while (chart.children.length < samples.length) {
    const rect = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
    rect.setAttribute('width', '.8');
    chart.append(rect);
  }
  samples.forEach(({ duration, outcome }, i) => {
    const rect = chart.children[i];
    const height = Math.max(1.5, (duration / top) * 76);
    rect.setAttribute('class', outcome);
    rect.setAttribute('x', capacity - samples.length + i);
    rect.setAttribute('y', 80 - height);
    rect.setAttribute('height', height);
  });
  const sorted = samples.map((sample) => sample.duration).sort((a, b) => a - b);
  setText($('#chart-top'), `top: ${milliseconds(top)}`);
  setText($('#chart-span'), `the last ${Math.round((Date.now() - samples[0].at) / 1000)} s`);
  setText($('#median'), milliseconds(sorted[sorted.length >> 1]));
  for (const outcome of ['ok', 'degraded', 'failed']) {
    setText($(`#count-${outcome}`), String(samples.filter((sample) => sample.outcome === outcome).length));
  }
}

function stop(why) {
  clearInterval(timer);
  timer = 0;
  setText($('#ask'), 'Start');
  $('#ask').setAttribute('aria-pressed', 'false');
  if (why) setText($('#ask-note'), why);
}

$('#ask').addEventListener('click', () => {
  if (timer) return stop('');
  began = performance.now();
  timer = setInterval(ask, 250);
  setText($('#ask'), 'Stop');
  $('#ask').setAttribute('aria-pressed', 'true');
});
document.addEventListener('visibilitychange', () => {
  if (document.hidden && timer) stop('It has stopped, as nobody looked at the page.');
});

listCalls();
countPods('orders', $('#node-own .pods'));
countPods('users', $('#node-users .pods'));
Promise.all([list(false), figures(false)]);
poll([health, list, health, health, figures, health, list, health]);
