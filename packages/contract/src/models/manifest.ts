/** What a model file is: enough to fetch it, to trust it and to feed it. Also the form of a user's own manifest. */
import { z } from 'zod';

/** Roles that a model can be put to. */
export const MODEL_ROLES = ['clip_image', 'clip_text', 'dino_image', 'face_detection', 'face_embedding'] as const;
export type ModelRole = (typeof MODEL_ROLES)[number];

const three = z.tuple([z.number(), z.number(), z.number()]);

export const imagePreprocessing = z.object({
  kind: z.literal('image'),
  /** Side lengths of the input tensor. */
  width: z.int().positive(),
  height: z.int().positive(),
  /**
   * `shortest_edge`: scale the shorter side to `resize_to`, then cut the centre out. `squash`: to size, whatever the
   * shape. `fit`: whole picture inside, the rest black.
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
  /** Id of the model of kind `tokenizer` that goes with it; a file given with `models use --tokenizer` comes first. */
  tokenizer: z.string().default('clip-tokenizer'),
  /** Whether the text is filled up to `max_tokens`; otherwise the tensor is as long as the text. */
  pad: z.boolean(),
  /** Token that fills. The default is CLIP's end mark, which its text tower was trained to see after the end. */
  pad_with: z.int().nonnegative().default(49_407),
  type: z.enum(['int64', 'int32']),
});
export type TextPreprocessing = z.infer<typeof textPreprocessing>;

/** Images of any size, multiples of 32, decoded by the detector itself. */
export const yunetPreprocessing = z.object({ kind: z.literal('yunet') });

export const modelManifest = z.object({
  /** Unique; vectors carry it. */
  id: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,99}$/, 'lower-case letters, digits, . _ -'),
  role: z.enum([...MODEL_ROLES, 'tokenizer']),
  version: z.string().min(1),
  /** Name of the file as published. */
  file: z.string().regex(/^[\w.-]{1,200}$/, 'a file name of letters, digits, . _ and - only, without folders'),
  /** Where it can be had; none: it must be put there by hand. */
  urls: z.array(z.url()).default([]),
  size: z.int().positive(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, '64 hexadecimal digits in lower case'),
  /** Other hashes of the same content, e.g. another serialisation of a tokenizer, with their sizes. */
  equivalents: z.array(z.object({ size: z.int(), sha256: z.string() })).default([]),
  license: z.string(),
  source: z.string(),
  input: z.string().optional(),
  output: z.string().optional(),
  /** Numbers in a result vector. */
  dimension: z.int().positive().optional(),
  /** Whether one tensor may hold several items with the same result as one by one. */
  batch: z.boolean().default(false),
  preprocessing: z.discriminatedUnion('kind', [imagePreprocessing, textPreprocessing, yunetPreprocessing]).optional(),
  /** Sum of one output for the self-test's pattern, measured on verified bytes. */
  golden: z.object({ output: z.string(), sum: z.number(), tolerance: z.number().positive() }).optional(),
  /** Rises when preprocessing changes what a vector means. */
  preprocessing_version: z.string().default('1'),
});
export type ModelManifest = z.infer<typeof modelManifest>;
export type ModelManifestInput = z.input<typeof modelManifest>;

/** A user's own: a key that nobody knows is most likely a misspelled one, and what it should say would be left out. */
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
 * What vectors depend on. Two that carry the same id, version and preprocessing version are compared with each other, so
 * the three may stand for one content only.
 */
export const modelContent = z.object({
  id: z.string(),
  version: z.string(),
  preprocessing_version: z.string(),
  sha256: z.string(),
  /** Of the tokenizer; absent where there is none, or where nobody knows it. */
  tokenizer_sha256: z.string().optional(),
  input: z.string().optional(),
  output: z.string().optional(),
  preprocessing: modelManifest.shape.preprocessing,
});
export type ModelContent = z.infer<typeof modelContent>;

/** `$MODELS_DIR/models.json`: which manifest serves a role instead of the default one. */
export const modelChoices = z.object({
  version: z.literal(1),
  roles: z.partialRecord(
    z.enum(MODEL_ROLES),
    z.object({
      manifest: modelManifest,
      /** Path of the file, relative to MODELS_DIR where it lies there: it may move with its folder. */
      path: z.string(),
      /** The same of the tokenizer of a text model that has one of its own. */
      tokenizer: z.string().optional(),
      /** Absent in files that older releases wrote. */
      tokenizer_size: z.int().optional(),
      tokenizer_sha256: z.string().optional(),
    }),
  ),
  /** Every model of the user's own that ever served; files of older releases have none. */
  used: z.array(modelContent).default([]),
});
export type ModelChoices = z.infer<typeof modelChoices>;
