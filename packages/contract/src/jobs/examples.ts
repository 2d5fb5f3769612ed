/** Examples of jobs for the API documents. A test compares each with its schema. */

const JOB_ID = '43b310d4-c982-4d3c-ac55-27b1e7ca2f76';
const CREATED = 1_781_802_120_000;

export const JOB = {
  job_id: JOB_ID,
  task_type: 'media_thumbnail',
  status: 'completed',
  progress: 100,
  params: { width: 320, input_path: 'input/beach.jpg', output_path: 'output/media_thumbnail.jpg' },
  task_output: { media_type: 'image', output_path: 'output/media_thumbnail.jpg', width: 320, height: 213, size: 9_412 },
  error_message: null,
  priority: 5,
  created_at: CREATED,
  updated_at: CREATED + 420,
  started_at: CREATED + 60,
  completed_at: CREATED + 420,
  error_code: null,
  created_by: '1',
  retry_count: 0,
  max_retries: 3,
};

export const JOB_CREATED = { job_id: JOB_ID, status: 'queued', task_type: 'media_thumbnail' };

export const WORKER = {
  worker_id: 'nas-1',
  id: 'nas-1',
  capabilities: ['exif', 'hash', 'media_thumbnail'],
  idle_count: 2,
  timestamp: CREATED,
};

export const CAPABILITIES = { num_workers: 1, capabilities: { exif: 2, hash: 2, media_thumbnail: 2 } };

export const TASK_INFO = {
  task_type: 'hash',
  version: '1.0.0',
  summary: 'Computes digests of the bytes, and perceptual hashes of pictures and videos',
  file: 'required',
  source: 'builtin',
  params: { type: 'object', properties: { algorithm: { type: 'string' } } },
  output: { type: 'object', properties: { sha256: { type: 'string' } } },
  timeout_seconds: 600,
  requirements: { tools: [], models: [] },
  available: true,
  reason: null,
};

export const BATCH = [
  { task_type: 'clip_text_embedding', params: { text: 'a dog on the beach' } },
  { task_type: 'hash', input: { job_id: JOB_ID, path: 'input/beach.jpg' } },
];
