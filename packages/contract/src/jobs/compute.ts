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
  title: 'CL Server: compute',
  version: 'v1',
  description: 'Create jobs, which workers run, and follow them by MQTT, server-sent events or polling.',
};

export const getComputeRoot = endpoint({
  id: 'root_get',
  method: 'GET',
  path: '/',
  guard: 'public',
  tag: 'compute',
  summary: 'Health check and guest-mode flag',
  responses: { 200: { description: 'Healthy', schema: computeRoot } },
});

export const getCapabilities = endpoint({
  id: 'get_worker_capabilities',
  method: 'GET',
  path: '/capabilities',
  guard: 'public',
  tag: 'compute',
  summary: 'Number of live workers, and for each task the number of jobs that could start now',
  responses: { 200: { description: 'Sums over all live workers', schema: capabilities } },
});

export const listWorkers = endpoint({
  id: 'list_workers',
  method: 'GET',
  path: '/workers',
  guard: 'compute',
  tag: 'compute',
  summary: 'Live workers: the tasks that each can run, those that it cannot run with the reason, and its free capacity',
  responses: { 200: { description: 'The workers', schema: workerList } },
});

export const getStorageSize = endpoint({
  id: 'get_storage_size',
  method: 'GET',
  path: '/admin/jobs/storage/size',
  guard: 'admin',
  tag: 'admin',
  summary: 'Total size of all job files, and the number of jobs that have files',
  responses: { 200: { description: 'Sizes', schema: storageSize } },
});

export const cleanupJobs = endpoint({
  id: 'cleanup_old_jobs',
  method: 'DELETE',
  path: '/admin/jobs/cleanup',
  guard: 'admin',
  tag: 'admin',
  summary: 'Delete ended jobs with their files; queued and running jobs stay',
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
  summary: 'Preferences, with the time of the last change and its author',
  responses: { 200: { description: 'Preferences', schema: computePreferences } },
});

export const getGuestMode = endpoint({
  id: 'get_guest_mode',
  method: 'GET',
  path: '/admin/pref/guest-mode',
  aliases: ['/admin/config/guest-mode'],
  guard: 'admin',
  tag: 'admin',
  summary: 'Guest mode: whether anyone may create jobs',
  responses: { 200: { description: 'Guest mode', schema: guestMode } },
});

export const setGuestMode = endpoint({
  id: 'update_guest_mode_admin_pref_guest_mode_put',
  method: 'PUT',
  path: '/admin/pref/guest-mode',
  aliases: ['/admin/config/guest-mode'],
  guard: 'admin',
  tag: 'admin',
  summary:
    'Set guest mode: let anyone create jobs, or only users with the permission. Admin endpoints always need an admin',
  form: z.object({ guest_mode: field.bool().meta({ example: false }) }),
  responses: { 200: { description: 'Saved', schema: guestModeUpdated } },
});

/** Tasks add their own routes when the service starts: see `taskEndpoint`. */
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
