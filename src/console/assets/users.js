// The page of users.
import { $, askHealth, call, countPods, date, el, listCalls, members, note, poll, setText, showErrors, showRows } from './common.js';

const filters = $('#filters');
let cursor = ''; // of the page that is shown; empty: the first
let next = ''; // of the page after it
let renamed = 0; // the ID of the user whose name is being changed

function row(user) {
  const state = user.active ? 'active' : 'inactive';
  const [title, active] = user.active ? ['Deactivate', false] : ['Activate', true];
  const button = (text, onclick) => el('button', {
    type: 'button', class: 'small', 'aria-label': `${text} ${user.name}`, 'data-focus': `${text}-${user.id}`, onclick,
  }, text);
  const tr = el('tr', {},
    el('td', { class: 'id' }, `#${user.id}`),
    el('td', { class: 'what' }, user.name, el('small', {}, user.email)),
    el('td', { class: 'number' }, date(user.created_at)),
    el('td', { class: 'state' }, el('span', { class: `tag ${state}` }, state)),
    el('td', { class: 'actions' }, el('div', { class: 'row' },
      button('Rename', () => rename(user, tr)), button(title, () => change(user, { active })))));
  return tr;
}

// rename puts a form in the place of the name.
function rename(user, tr) {
  renamed = user.id;
  const input = el('input', { name: 'name', 'aria-label': `New name of ${user.name}`, autocomplete: 'off' });
  input.value = user.name;
  const end = () => {
    renamed = 0;
    tr.dataset.text = ''; // the row is made again
    list();
  };
  const form = el('form', { class: 'row', novalidate: '' }, input,
    el('button', { class: 'small main' }, 'Save'), el('button', { type: 'button', class: 'small', onclick: end }, 'Cancel'));
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (await change(user, { name: input.value })) end();
  });
  form.addEventListener('keydown', (event) => event.key === 'Escape' && end());
  tr.cells[1].replaceChildren(form);
  input.select();
}

async function change(user, body) {
  const result = await call('PATCH', `/users/${user.id}`, { body });
  await list();
  if (!result.ok) note($('#users-note'), 'failed', result.data?.errors?.map((error) => `The ${error.field} ${error.message}.`).join(' ') ?? result.problem);
  return result.ok;
}

const target = () => {
  const query = new URLSearchParams({ limit: '12', active: filters.elements.active.value });
  if (cursor) query.set('cursor', cursor);
  return `/users?${query}`;
};

async function list(quiet = true) {
  if (renamed) return;
  const path = target();
  const result = await call('GET', path, { quiet });
  if (path !== target() || renamed) return; // another page was chosen, or a name is being changed
  if (!result.ok) {
    note($('#users-note'), 'failed', result.problem);
    return;
  }
  note($('#users-note'), '');
  next = result.data.next_cursor ?? '';
  showRows($('#users'), result.data.users, row, 'There is no such user.');
  $('#next').disabled = !next;
  $('#first').disabled = !cursor;
  setText($('#page-note'), `${result.data.count} on this page`);
}

function turn(to) {
  cursor = to;
  renamed = 0;
  list(false);
}

filters.addEventListener('input', () => turn(''));
filters.addEventListener('submit', (event) => event.preventDefault());
$('#first').addEventListener('click', () => turn(''));
$('#next').addEventListener('click', () => turn(next));

const create = $('#create');
create.addEventListener('submit', async (event) => {
  event.preventDefault();
  const result = await call('POST', '/users', { body: members(create) });
  const rest = showErrors(create, result.data?.errors);
  if (result.ok) {
    create.reset();
    note($('#create-note'), 'ok', `${result.data.name} is user ${result.data.id}.`);
    await list();
  } else if (result.data?.errors && rest.length === 0) {
    note($('#create-note'), 'failed', 'The user is not created: see the fields above.');
  } else {
    note($('#create-note'), 'failed', result.problem);
  }
});

listCalls();
countPods('users', $('#node-own .pods'));
list(false);
const health = () => askHealth('users');
poll([health, list, health, health]);
