/**
 * A manifest describes a model file: enough to fetch it, to trust it and to feed it. Users write their own manifests in
 * the same form.
 */
import { z } from 'zod';

/** The roles that a model can have. */
export const MODEL_ROLES = ['clip_image', 'clip_text', 'dino_image', 'face_detection', 'face_embedding'] as const;
export type ModelRole = (typeof MODEL_ROLES)[number];

const three = z.tuple([z.number(), z.number(), z.number()]);

export const imagePreprocessing = z.object({
  kind: z.literal('image'),
  /** Width of the input tensor in pixels; `height` likewise. */
  width: z.int().positive(),
  height: z.int().positive(),
  /**
   * `shortest_edge` scales the shorter side to `resize_to`, then cuts out the centre. `squash` scales to the size and
   * ignores the aspect ratio. `fit` scales the whole picture into the size and fills the rest with black.
   */
  resize: z.enum(['shortest_edge', 'squash', 'fit']),
  resize_to: z.int().positive().optional(),
  kernel: z.enum(['bicubic', 'bilinear', 'lanczos3', 'nearest']),
  /** Value of a channel in the tensor: (byte × scale − mean) / std. */
  scale: z.number(),
  mean: three,
  std: three,
  layout: z.enum(['nchw', 'nhwc']),
  colour: z.enum(['rgb', 'bgr']),
});
export type ImagePreprocessing = z.infer<typeof imagePreprocessing>;

export const textPreprocessing = z.object({
  kind: z.literal('text'),
  max_tokens: z.int().positive(),
  /**
   * Id of the model of kind `tokenizer` that belongs to it; a file given with `models use --tokenizer` takes
   * precedence.
   */
  tokenizer: z.string().default('clip-tokenizer'),
  /** Whether the text is padded to `max_tokens`; otherwise the tensor is as long as the text. */
  pad: z.boolean(),
  /**
   * The token used for padding. The default is CLIP's end mark, which its text tower was trained to see after the end.
   */
  pad_with: z.int().nonnegative().default(49_407),
  type: z.enum(['int64', 'int32']),
});
export type TextPreprocessing = z.infer<typeof textPreprocessing>;

/** The detector decodes images itself; their sides may be any multiple of 32. */
export const yunetPreprocessing = z.object({ kind: z.literal('yunet') });

export const modelManifest = z.object({
  /** Unique; stored with every vector. */
  id: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,99}$/, 'lower-case letters, digits, . _ -'),
  role: z.enum([...MODEL_ROLES, 'tokenizer']),
  version: z.string().min(1),
  /** Name of the published file. */
  file: z.string().regex(/^[\w.-]{1,200}$/, 'a file name of letters, digits, . _ and - only, without folders'),
  /** Addresses to download it from; without any, the user must copy the file into place. */
  urls: z.array(z.url()).default([]),
  size: z.int().positive(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, '64 hexadecimal digits in lower case'),
  /** Other hashes and sizes of the same content, e.g. another serialization of a tokenizer. */
  equivalents: z.array(z.object({ size: z.int(), sha256: z.string() })).default([]),
  license: z.string(),
  source: z.string(),
  input: z.string().optional(),
  output: z.string().optional(),
  /** Length of a result vector. */
  dimension: z.int().positive().optional(),
  /** Whether one tensor may hold several items and give the same results as one by one. */
  batch: z.boolean().default(false),
  preprocessing: z.discriminatedUnion('kind', [imagePreprocessing, textPreprocessing, yunetPreprocessing]).optional(),
  /** Sum of one output for the pattern of the self-test, measured on verified bytes. */
  golden: z.object({ output: z.string(), sum: z.number(), tolerance: z.number().positive() }).optional(),
  /** Increases when preprocessing changes the meaning of a vector. */
  preprocessing_version: z.string().default('1'),
});
export type ModelManifest = z.infer<typeof modelManifest>;
export type ModelManifestInput = z.input<typeof modelManifest>;

/**
 * A user's own manifest. Unknown keys are refused: most likely they are misspelled, and what they say would be ignored.
 */
export const givenManifest = modelManifest
  .extend({
    preprocessing: z
      .discriminatedUnion('kind', [
        imagePreprocessing.strict(),
        textPreprocessing.strict(),
        yunetPreprocessing.strict(),
      ])
      .optional(),
    golden: modelManifest.shape.golden.unwrap().strict().optional(),
  })
  .strict();

/**
 * Everything that vectors depend on. Vectors with the same id, version and preprocessing version are compared with each
 * other, so these three must always stand for the same content.
 */
export const modelContent = z.object({
  id: z.string(),
  version: z.string(),
  preprocessing_version: z.string(),
  sha256: z.string(),
  /** The hash of the tokenizer; absent if there is none or if it is unknown. */
  tokenizer_sha256: z.string().optional(),
  input: z.string().optional(),
  output: z.string().optional(),
  preprocessing: modelManifest.shape.preprocessing,
});
export type ModelContent = z.infer<typeof modelContent>;

/** `$MODELS_DIR/models.json`: the manifests that serve a role instead of the default one. */
export const modelChoices = z.object({
  version: z.literal(1),
  roles: z.partialRecord(
    z.enum(MODEL_ROLES),
    z.object({
      manifest: modelManifest,
      /** Path of the file, relative to MODELS_DIR if it lies inside: it may move with its folder. */
      path: z.string(),
      /** Path of the tokenizer of a text model that brings its own, in the same form. */
      tokenizer: z.string().optional(),
      /** Absent in files that older releases wrote. */
      tokenizer_size: z.int().optional(),
      tokenizer_sha256: z.string().optional(),
    }),
  ),
  /** Every model that the user has ever put into service; files of older releases lack this. */
  used: z.array(modelContent).default([]),
});
export type ModelChoices = z.infer<typeof modelChoices>;
