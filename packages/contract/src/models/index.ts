/** Models and their manifests. */

export {
  givenManifest,
  type ImagePreprocessing,
  imagePreprocessing,
  MODEL_ROLES,
  type ModelChoices,
  type ModelContent,
  type ModelManifest,
  type ModelManifestInput,
  type ModelRole,
  modelChoices,
  modelContent,
  modelManifest,
  type TextPreprocessing,
  textPreprocessing,
  yunetPreprocessing,
} from './manifest.js';
