/** Every documented endpoint has an SDK method and a command. This test keeps the three lists consistent. */
import { ClServer } from '@cl-server/client';
import * as contract from '@cl-server/contract';
import { authEndpoints, computeEndpoints, storeEndpoints, systemEndpoints } from '@cl-server/contract';
import type { Command } from 'commander';
import { beforeAll, describe, expect, it } from 'vitest';
import { createProgram, registerAll } from '../src/index.js';
import { TASK_COMMANDS } from '../src/tasks/task-command.js';
import { testWorld } from './support/world.js';

/** Endpoint id → [SDK method, command]. */
type Coverage = Readonly<Record<string, readonly [string, string]>>;

const JOBS: Coverage = {
  create_jobs_batch: ['jobs.batch', 'batch submit'],
  create_job: ['jobs.submit', 'run'],
  list_jobs: ['jobs.list', 'jobs list'],
  get_job: ['jobs.get', 'jobs get'],
  delete_job: ['jobs.delete', 'jobs delete'],
  get_job_file: ['jobs.download', 'jobs download'],
  cancel_job: ['jobs.cancel', 'jobs cancel'],
  retry_job: ['jobs.retry', 'jobs retry'],
  watch_job: ['jobs.handle', 'jobs watch'],
  list_tasks: ['jobs.tasks', 'tasks'],
};
const SYSTEM: Coverage = {
  livez: ['system.live', 'doctor'],
  readyz: ['system.ready', 'doctor'],
  metrics: ['system.metrics', 'admin metrics'],
};

const COVERED: Readonly<Record<'auth' | 'store' | 'compute', Coverage>> = {
  auth: {
    ...SYSTEM,
    root_get: ['system.root', 'doctor'],
    login_for_access_token: ['login', 'login'],
    refresh_access_token: ['refresh', 'token'],
    create_session: ['sessions.create', 'login'],
    refresh_session: ['sessions.refresh', 'login'],
    list_sessions: ['sessions.list', 'session list'],
    end_session: ['sessions.end', 'session revoke'],
    end_sessions: ['sessions.endAll', 'session revoke'],
    get_public_key: ['publicKey', 'admin auth public-key'],
    get_key_set: ['keySet', 'admin auth keys'],
    get_platform_addresses: ['addresses', 'login'],
    list_revocations: ['revocations', 'admin auth revocations'],
    read_users_me: ['users.me', 'whoami'],
    change_password: ['users.changePassword', 'password'],
    create_user: ['users.create', 'user create'],
    read_users: ['users.list', 'user list'],
    read_user: ['users.get', 'user get'],
    update_user: ['users.update', 'user update'],
    patch_user: ['users.update', 'user update'],
    delete_user: ['users.delete', 'user delete'],
    list_audit: ['audit', 'admin auth audit'],
  },
  store: {
    ...SYSTEM,
    ...JOBS,
    store_root: ['system.root', 'doctor'],
    get_store_pref: ['admin.preferences', 'admin store config'],
    set_store_guest_mode: ['admin.setGuestMode', 'admin store set-guest-mode'],
    audit_store: ['admin.audit', 'admin store audit-report'],
    clear_orphans: ['admin.clearOrphans', 'admin store clear-orphans'],
    purge_trash: ['admin.purgeTrash', 'admin store purge-trash'],
    get_storage_use: ['admin.storage', 'admin store storage'],
    list_entities: ['entities.list', 'store list'],
    lookup_entity: ['entities.lookup', 'store lookup'],
    create_entity: ['entities.upload', 'store upload'],
    get_entity: ['entities.get', 'store get'],
    put_entity: ['entities.replace', 'store update'],
    patch_entity: ['entities.patch', 'store update'],
    delete_entity: ['entities.delete', 'store delete'],
    get_entity_metadata: ['entities.metadata', 'store metadata'],
    list_entity_versions: ['entities.versions', 'store versions'],
    diff_entity_versions: ['entities.diff', 'store diff'],
    restore_entity_version: ['entities.restoreVersion', 'store restore'],
    get_entity_media: ['media.download', 'store download'],
    get_entity_preview: ['media.preview', 'store preview'],
    get_entity_stream: ['media.playlist', 'store stream'],
    get_entity_stream_file: ['media.streamFile', 'store stream'],
    delete_entity_stream: ['media.deleteStream', 'store stream'],
    sign_entity_urls: ['media.signedUrls', 'store sign'],
    create_upload: ['entities.uploadResumable', 'store upload'],
    append_upload: ['entities.uploadResumable', 'store upload'],
    drop_upload: ['entities.dropUpload', 'store uploads drop'],
    get_m_insight_status: ['intelligence.status', 'admin store insight'],
    get_entity_intelligence: ['intelligence.get', 'entity status'],
    get_entity_faces: ['intelligence.faces', 'faces list'],
    get_entity_jobs: ['intelligence.jobs', 'entity jobs'],
    get_entity_insight_results: ['intelligence.results', 'entity results'],
    get_entity_vector: ['intelligence.embedding', 'entity embedding'],
    get_entity_clip_embedding: ['intelligence.embedding', 'entity embedding'],
    get_entity_dino_embedding: ['intelligence.downloadEmbedding', 'entity embedding'],
    get_face_embedding: ['intelligence.faceEmbedding', 'faces download-embedding'],
    retry_entity_intelligence: ['intelligence.retry', 'entity retry'],
    delete_face: ['intelligence.deleteFace', 'faces delete'],
    list_known_persons: ['persons.list', 'persons list'],
    get_known_person: ['persons.get', 'persons get'],
    get_known_person_faces: ['persons.faces', 'persons faces'],
    rename_known_person: ['persons.rename', 'persons rename'],
    hide_known_person: ['persons.hide', 'persons hide'],
    merge_known_persons: ['persons.merge', 'persons merge'],
    split_known_person: ['persons.split', 'persons split'],
    move_face: ['persons.moveFace', 'faces move'],
    list_person_decisions: ['persons.decisions', 'persons decisions'],
    undo_person_decision: ['persons.undo', 'persons undo'],
    search_by_text: ['search.text', 'search'],
    search_by_picture: ['search.picture', 'search'],
    get_similar_entities: ['search.similar', 'similar'],
    get_similar_faces: ['search.similarFaces', 'faces similar'],
    list_duplicates: ['search.duplicates', 'duplicates'],
  },
  compute: {
    ...SYSTEM,
    ...JOBS,
    root_get: ['system.root', 'doctor'],
    get_worker_capabilities: ['workers.capabilities', 'workers'],
    list_workers: ['workers.list', 'workers'],
    get_storage_size: ['admin.storageSize', 'admin compute storage'],
    cleanup_old_jobs: ['admin.cleanup', 'admin compute cleanup'],
    get_pref_admin_config_get: ['admin.preferences', 'admin compute config'],
    get_guest_mode: ['admin.guestMode', 'admin compute guest-mode get'],
    update_guest_mode_admin_pref_guest_mode_put: ['admin.setGuestMode', 'admin compute guest-mode set'],
  },
};

const TABLES = { auth: authEndpoints, store: storeEndpoints, compute: computeEndpoints } as const;

/** The SDK namespaces of the built-in tasks. */
const TASK_METHODS: Readonly<Record<string, string>> = {
  clip_embedding: 'clipEmbedding.embedImage',
  clip_text_embedding: 'clipText.embedText',
  dino_embedding: 'dinoEmbedding.embedImage',
  exif: 'exif.extract',
  face_detection: 'faceDetection.detect',
  face_embedding: 'faceEmbedding.embedFaces',
  hash: 'hash.compute',
  hls_streaming: 'hlsStreaming.generateManifest',
  image_conversion: 'imageConversion.convert',
  media_thumbnail: 'mediaThumbnail.generate',
};

const platform = new ClServer();
const world = testWorld();
const program = createProgram('0', world);
beforeAll(() => registerAll(program, world));

const methodAt = (root: object, path: string): unknown =>
  path.split('.').reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], root);

const commandAt = (path: string): Command | undefined =>
  path
    .split(' ')
    .reduce<Command | undefined>((at, word) => at?.commands.find((command) => command.name() === word), program);

describe.each(['auth', 'store', 'compute'] as const)('every endpoint of %s', (service) => {
  const ids = [...TABLES[service], ...systemEndpoints].map(({ id }) => id);

  it('is listed here, with no other entries', () => {
    expect(Object.keys(COVERED[service]).sort()).toEqual([...ids].sort());
  });

  it.each(ids)('%s', (id) => {
    const [method, command] = COVERED[service][id] ?? expect.fail('it is not listed');
    expect(methodAt(platform[service], method), `SDK: ${service}.${method}`).toBeTypeOf('function');
    expect(commandAt(command)?.commands, `command: ${command}`).toEqual([]);
  });
});

describe('every built-in task', () => {
  const tasks = Object.values(contract).flatMap((value) =>
    typeof value === 'object' && value !== null && 'form' in value && 'output' in value && 'type' in value
      ? [value as contract.TaskContract]
      : [],
  );

  it('is in the table of the contract, under its type', () => {
    expect(Object.entries(contract.builtInTasks).map(([type, task]) => [type, task.type])).toEqual(
      Object.keys(contract.builtInTasks).map((type) => [type, type]),
    );
    expect(tasks.map(({ type }) => type).sort()).toEqual(Object.keys(contract.builtInTasks).sort());
  });

  it('has a namespace and a command', () => {
    expect(Object.keys(TASK_METHODS).sort()).toEqual(Object.keys(contract.builtInTasks).sort());
    expect(Object.keys(TASK_COMMANDS).sort()).toEqual(Object.keys(contract.builtInTasks).sort());
    for (const method of Object.values(TASK_METHODS))
      expect(methodAt(platform.compute, method), method).toBeTypeOf('function');
  });

  it.each(Object.entries(TASK_COMMANDS))('%s has an option for every field', (type, { options }) => {
    const { form } = tasks.find((task) => task.type === type) ?? expect.fail('no such task');
    const elsewhere = ['text', 'input_absolute_path', 'output_absolute_path'];
    const fields = Object.keys(form.shape).filter((field) => !elsewhere.includes(field));
    expect(Object.keys(options).sort()).toEqual(fields.sort());
  });
});
