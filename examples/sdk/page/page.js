// A small gallery. The addresses of the services come from the query: index.html?auth=http://nas:8000&store=…
import { ClError, ClServer } from '@cl-server/client';

const query = new URLSearchParams(location.search);
const cl = new ClServer({
  urls: {
    auth: query.get('auth') ?? `http://${location.hostname}:8000`,
    store: query.get('store') ?? `http://${location.hostname}:8001`,
    compute: query.get('compute') ?? `http://${location.hostname}:8002`,
    mqtt: query.get('mqtt') ?? `ws://${location.hostname}:9001`,
  },
});

const find = (selector) => document.querySelector(selector);
const tell = (text) => {
  find('#message').textContent = text;
};
/** Shows what went wrong instead of leaving it to the console. */
const tried = (work) => (event) => {
  event?.preventDefault?.();
  return work(event).catch((error) => {
    if (!(error instanceof ClError)) throw error;
    tell(error.message);
  });
};

const shown = new Set();
async function show(entity) {
  if (shown.has(entity.id)) return;
  shown.add(entity.id);
  const { preview } = await cl.store.media.signedUrls(entity.id);
  const figure = document.createElement('figure');
  const image = document.createElement('img');
  image.src = preview;
  image.alt = entity.label ?? '';
  const caption = document.createElement('figcaption');
  caption.textContent = entity.label ?? entity.file_name ?? `entity ${entity.id}`;
  figure.append(image, caption);
  find('#photos').prepend(figure);
}

async function showNewest() {
  const { items } = await cl.store.entities.page({ type: 'image', exclude_deleted: true, page_size: 30 });
  for (const entity of items.reverse()) await show(entity);
}

const login = tried(async (event) => {
  const form = new FormData(event.target);
  const user = await cl.session.login(form.get('username'), form.get('password'));
  find('#login').hidden = true;
  find('#upload').hidden = false;
  tell(`Logged in as ${user.username}`);
  const add = tried(async ({ id }) => show(await cl.store.entities.get(id)));
  await cl.events.on('item', ({ id }) => add({ id }), { onGap: tried(showNewest) });
  await showNewest();
});

const upload = tried(async (event) => {
  const [file] = event.target.files;
  if (!file) return;
  const { entity, created } = await cl.store.entities.upload(file, {
    label: file.name,
    onProgress: ({ loaded, total }) => {
      find('progress').value = total ? loaded / total : 0;
    },
  });
  tell(created ? `Uploaded ${file.name}` : `${file.name} was already there`);
  await show(entity);
});

find('#login').addEventListener('submit', login);
find('#upload input').addEventListener('change', upload);
