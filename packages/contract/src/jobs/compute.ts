/** The endpoint table of the compute service. */
import { z } from 'zod';
import { type AnyEndpoint, endpoint } from '../http/endpoint.js';
import { field } from '../http/field.js';
import type { ApiInfo } from '../http/openapi.js';
import { jobEndpoints } from './endpoints.js';
import {
  cleanupResult,
  computePreferences,
  computeRoot,
  guestMode,
  guestModeUpdated,
  storageSize,
  workerList,
} from './lists.js';
import { capabilities } from './schemas.js';

export const COMPUTE_API: ApiInfo = {
  title: 'Task Server',
  version: 'v1',
  description: 'Jobs: created here, run by workers, watched over MQTT, server-sent events or by polling.',
};

export const getComputeRoot = endpoint({
  id: 'root_get',
  method: 'GET',
  path: '/',
  guard: 'public',
  tag: 'compute',
  summary: 'That the service answers, and whether guests may create jobs',
  responses: { 200: { description: 'Healthy', schema: computeRoot } },
});

export const getCapabilities = endpoint({
  id: 'get_worker_capabilities',
  method: 'GET',
  path: '/capabilities',
  guard: 'public',
  tag: 'compute',
  summary: 'How many workers live, and how many jobs of each task could start at once',
  responses: { 200: { description: 'Sums over all live workers', schema: capabilities } },
});

export const listWorkers = endpoint({
  id: 'list_workers',
  method: 'GET',
  path: '/workers',
  guard: 'compute',
  tag: 'compute',
  summary: 'Each live worker: what it can run, what it cannot and why, and how many jobs it could start',
  responses: { 200: { description: 'The workers', schema: workerList } },
});

export const getStorageSize = endpoint({
  id: 'get_storage_size',
  method: 'GET',
  path: '/admin/jobs/storage/size',
  guard: 'admin',
  tag: 'admin',
  summary: 'Bytes of all job files, and how many jobs have some',
  responses: { 200: { description: 'Sizes', schema: storageSize } },
});

export const cleanupJobs = endpoint({
  id: 'cleanup_old_jobs',
  method: 'DELETE',
  path: '/admin/jobs/cleanup',
  guard: 'admin',
  tag: 'admin',
  summary: 'Remove ended jobs, rows and files together; waiting and running jobs are never touched',
  query: z.object({
    days: field.int({ ge: 0, le: 100_000 }).default(7).describe('Only jobs that ended at least this many days ago'),
  }),
  responses: { 200: { description: 'What was removed', schema: cleanupResult } },
});

export const getPreferences = endpoint({
  id: 'get_pref_admin_config_get',
  method: 'GET',
  path: '/admin/pref',
  aliases: ['/admin/config'],
  guard: 'admin',
  tag: 'admin',
  summary: 'The preferences, and who set them when',
  responses: { 200: { description: 'Preferences', schema: computePreferences } },
});

export const getGuestMode = endpoint({
  id: 'get_guest_mode',
  method: 'GET',
  path: '/admin/pref/guest-mode',
  aliases: ['/admin/config/guest-mode'],
  guard: 'admin',
  tag: 'admin',
  summary: 'Whether anyone may create jobs',
  responses: { 200: { description: 'Guest mode', schema: guestMode } },
});

export const setGuestMode = endpoint({
  id: 'update_guest_mode_admin_pref_guest_mode_put',
  method: 'PUT',
  path: '/admin/pref/guest-mode',
  aliases: ['/admin/config/guest-mode'],
  guard: 'admin',
  tag: 'admin',
  summary: 'Let anyone create jobs, or only users with the right. Admin endpoints stay closed either way',
  form: z.object({ guest_mode: field.bool() }),
  responses: { 200: { description: 'Saved', schema: guestModeUpdated } },
});

/** Tasks add their own routes at start: see `taskEndpoint`. */
export const computeEndpoints: readonly AnyEndpoint[] = [
  getComputeRoot,
  getCapabilities,
  listWorkers,
  ...jobEndpoints,
  getStorageSize,
  cleanupJobs,
  getPreferences,
  getGuestMode,
  setGuestMode,
];
