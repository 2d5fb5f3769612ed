/** Examples of the store's objects for the API documents. A test compares each with its schema. */

const SHA256 = 'e1be12f24a03fb1d74aca42f1580eeb53fae8e02922dca44fc4f1811a9f7a552';
const MD5 = '7be071d28cdd16bf8de6f47f7d404b0b';
const ADDED = 1_781_802_120_000;

export const ENTITY = {
  id: 7,
  is_collection: false,
  label: 'Beach',
  description: null,
  parent_id: 3,
  children_count: 0,
  added_date: ADDED,
  updated_date: ADDED,
  create_date: 1_781_716_240_000,
  added_by: '1',
  updated_by: '1',
  file_size: 46_035,
  height: 850,
  width: 1280,
  duration: null,
  mime_type: 'image/jpeg',
  type: 'image',
  extension: 'jpg',
  md5: MD5,
  file_path: `2026/06/${SHA256}.jpg`,
  is_deleted: false,
  is_indirectly_deleted: false,
  sha256: SHA256,
  file_name: 'beach.jpg',
  create_date_offset: 120,
  camera: 'CL Server Demo Camera 1',
  latitude: 46.555,
  longitude: 7.97806,
  metadata_error: null,
  version: 1,
};

export const PAGINATION = {
  page: 1,
  page_size: 20,
  total_items: 1,
  total_pages: 1,
  has_next: false,
  has_prev: false,
  total_is_estimate: false,
  next_cursor: null,
};

export const ENTITY_VERSION = {
  version: 1,
  transaction_id: 12,
  updated_date: ADDED,
  updated_by: '1',
  operation_type: 'create',
  changed_fields: ['label', 'sha256'],
  label: 'Beach',
  description: null,
};

export const SIGNED_URLS = {
  expires_at: ADDED + 900_000,
  media: '/entities/7/media?expires=1781803020000&user=1&signature=3q2-7w',
  preview: '/entities/7/preview?expires=1781803020000&user=1&signature=yv66vg',
  stream: '/entities/7/stream/adaptive.m3u8?expires=1781803020000&user=1&signature=rb7v8A',
};

export const FACE = {
  id: 10,
  entity_id: 7,
  known_person_id: 1,
  bbox: { x1: 0.41, y1: 0.22, x2: 0.56, y2: 0.47 },
  confidence: 0.97,
  doubtful: false,
  landmarks: {
    right_eye: [0.45, 0.31],
    left_eye: [0.52, 0.31],
    nose_tip: [0.485, 0.36],
    mouth_right: [0.455, 0.41],
    mouth_left: [0.515, 0.41],
  },
  file_path: 'faces/7/10.png',
  created_at: ADDED,
};

export const KNOWN_PERSON = {
  id: 1,
  name: 'Ann',
  created_at: ADDED,
  updated_at: ADDED,
  face_count: 12,
  hidden: false,
};

export const INTELLIGENCE = {
  overall_status: 'completed',
  last_processed_md5: MD5,
  last_processed_version: 1,
  face_count: 1,
  active_processing_md5: null,
  active_jobs: [],
  job_history: [],
  inference_status: {
    hash: 'completed',
    media_thumbnail: 'not_applicable',
    face_detection: 'completed',
    clip_embedding: 'completed',
    dino_embedding: 'completed',
    hls_streaming: 'not_applicable',
    face_embeddings: ['completed'],
  },
  last_updated: ADDED,
  error_message: null,
};
