import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import type { exifTask } from '@cl-server/contract';
import { parseParams } from '@cl-server/task-kit';
import { runTask, testEnvironment } from '@cl-server/task-kit/testing';
import { hasFfmpeg, hasMedia, makeVideo, mediaFile, tempDir, which } from '@cl-server/testing';
import { exiftoolPath } from 'exiftool-vendored';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { z } from 'zod';
import task from '../src/exif/task.js';

const dir = tempDir('cl-exif-');
afterAll(() => dir.remove());
const at = (name: string): string => path.join(dir.path, name);
const env = { tools: {} };
type Output = z.input<(typeof exifTask)['output']>;

/** A photo with the given tags. */
async function photo(name: string, ...tags: string[]): Promise<string> {
  await sharp({ create: { width: 80, height: 60, channels: 3, background: '#64963c' } })
    .jpeg()
    .toFile(at(name));
  if (tags.length > 0)
    execFileSync(which('perl') ?? '', [await exiftoolPath(), '-q', '-n', '-overwrite_original', ...tags, at(name)]);
  return at(name);
}

describe('exif', () => {
  let full = '';
  beforeAll(async () => {
    full = await photo(
      'full.jpg',
      '-Make=Canon',
      '-Model=300',
      '-Software=17.10',
      '-DateTimeOriginal=2024:01:15 14:30:00',
      '-SubSecTimeOriginal=25',
      '-OffsetTimeOriginal=+05:30',
      '-CreateDate=2024:01:15 14:30:01',
      '-Orientation=6',
      '-ISO=400',
      '-FNumber=2.8',
      '-ExposureTime=0.005',
      '-FocalLength=50',
      '-LensModel=RF 50mm F1.8 STM',
      '-Flash=9',
      '-WhiteBalance=1',
      '-GPSLatitude=33.8688',
      '-GPSLatitudeRef=S',
      '-GPSLongitude=122.4194',
      '-GPSLongitudeRef=W',
      '-GPSAltitude=10',
      '-GPSAltitudeRef=1',
      '-XMP-dc:Title=A title',
    );
  });
  const expected = {
    make: 'Canon',
    model: '300',
    software: '17.10',
    date_time_original: '2024:01:15 14:30:00',
    create_date: '2024:01:15 14:30:01',
    image_width: 80,
    image_height: 60,
    orientation: 6,
    iso: 400,
    f_number: 2.8,
    exposure_time: '1/200',
    exposure_time_seconds: 0.005,
    focal_length: 50,
    gps_latitude: -33.8688,
    gps_longitude: -122.4194,
    gps_altitude: -10,
    captured_at: '2024-01-15T14:30:00.25+05:30',
    lens: 'RF 50mm F1.8 STM',
    flash: 'Fired, on',
    flash_fired: true,
    white_balance: 'Manual',
    mime_type: 'image/jpeg',
  };

  it('H4: without tags every typed field is filled, and the raw map is grouped', async () => {
    using run = await runTask(task, { file: full, env });
    expect(run.output).toMatchObject(expected);
    expect(run.output.raw_metadata).toMatchObject({ 'EXIF:Make': 'Canon', 'EXIF:Model': '300' });
    expect(JSON.parse(run.read('output/exif_metadata.json').toString())).toEqual(run.output);
    expect(JSON.stringify(run.output)).not.toContain(dir.path);
    expect(JSON.stringify(run.output)).not.toContain(path.dirname(run.path('output')));
  });

  it('with tags every typed field is filled, too, and the raw map has the requested tags without groups', async () => {
    using run = await runTask(task, { file: full, params: { tags: ' Make , GPSL*,,EXIF:ISO' }, env });
    expect(run.params['tags']).toEqual(['Make', 'GPSL*', 'EXIF:ISO']);
    expect(run.output).toMatchObject(expected);
    expect(run.output.raw_metadata).toEqual({
      Make: 'Canon',
      GPSLatitude: -33.8688,
      GPSLatitudeRef: 'S',
      GPSLongitude: -122.4194,
      GPSLongitudeRef: 'W',
      ISO: 400,
    });
  });

  it.each([
    'Artist=x',
    'Make,Artist=x',
    '@',
    '-execute',
    'Make<Model',
    'a\nb',
    '/etc/passwd',
    'Make;x',
    '$Make',
    '{x}',
    '#',
    'Ma#ke',
    'Make##',
  ])('H5: the tag %j is refused', (tags) => {
    expect(parseParams(task, { tags }).success).toBe(false);
  });

  it('H5: names of options are ordinary tags: nothing is written, and nothing about the server is shown', async () => {
    const options = 'w,o,execute,stay_open,config,if,p,tagsFromFile,delete_original,FilePath,b,v5';
    using run = await runTask(task, { file: full, params: { tags: `${options},Make` }, env });
    expect(run.output.raw_metadata).toEqual({ Make: 'Canon' });
    expect(run.files).toEqual(['output/exif_metadata.json']);
  });

  it('returns the size of the picture, not an outdated one from EXIF', async () => {
    const stale = await photo(
      'stale.jpg',
      ...['-IFD0:ImageWidth=4000', '-IFD0:ImageHeight=3000', '-ExifImageWidth=4000', '-ExifImageHeight=3000'],
    );
    using run = await runTask(task, { file: stale, env });
    expect(run.output).toMatchObject({ image_width: 80, image_height: 60 });
  });

  it('returns no day and no place that does not exist', async () => {
    const day = await photo('day.jpg', '-DateTimeOriginal=2023:02:30 10:00:00', '-CreateDate=2023:02:28 10:00:00');
    using withoutDay = await runTask(task, { file: day, env });
    expect(withoutDay.output).toMatchObject({ date_time_original: null, captured_at: '2023-02-28T10:00:00' });
    const zero = ['-GPSLatitude=0', '-GPSLatitudeRef=N', '-GPSLongitude=0', '-GPSLongitudeRef=E'];
    using withoutPlace = await runTask(task, { file: await photo('zero.jpg', ...zero), env });
    expect(withoutPlace.output).toMatchObject({ gps_latitude: null, gps_longitude: null });
  });

  /** Options of exiftool that contain, or may contain, a colon or digits; and words that only look like them. */
  const OPTIONS =
    'g,G,g:,G:,g0:1,G1:2,g0:1:2:5:6:7,G4,g3,groupNames:,groupNames0:1,groupHeadings1:2,progress,progress:x,progress100,' +
    'progress5:x,ee,ee2,ee:x,extractEmbedded3,if,if2,if:x,file,file1,file1:x,fileOrder,fileOrder4,fileNUM,fast2,F,F10,' +
    'fixBase1,p,p-,p:x,printFormat,v,v3,v5:x,verbose4,htmlDump0,echo,echo1,echo4,efile,efile7,listg1,listgeo,list_dir,lang,' +
    'lang:de,x,x:y,z,b,u,U,unknown2,L,D,H,X,xmlFormat,php,t,T,S3,s2,a,e,E,ex:c,k,m,n,q,r,scanForXMP,sort,srcfile,stay_open,' +
    'struct,struct:x,w,W,W:x,wext,w1:x,textOut,tagOut,use,use:MWG,userParam,userParam:x,validate,ver,wm,api,api:x,charset,' +
    'charset:x,config:x,common_args,csv,csv:x,csvDelim,d,d:x,dateFormat,diff,delete_original:x,execute1,execute:x,geotag,' +
    'geotag:x,globalTimeShift,i,i:HIDDEN,j,j:x,json,o:x,overwrite_original,P,password:x,plot,preserve,restore_original,sep:x,' +
    'TagsFromFile:x,addTagsFromFile,All:g0:1,*:g0:1,System:All,File:All,*:Directory,System:FilePath,ExifTool:All,All:All';
  const SERVER_FACT =
    /Directory|FilePath|BaseName|SourceFile|File(Modify|Access|Create|InodeChange)Date|FileInode|FileDevice|FileUser|FileGroup|FileHard|FileBlock|FileAttributes|Permissions/i;

  /** Runs jobs in one process, one after another, each with its tags. */
  async function inOneProcess(file: string, work: (read: (tags: string) => Promise<Output>) => Promise<void>) {
    const module = await task.load();
    await module.setup?.(testEnvironment(env));
    const context = {} as Parameters<typeof module.run>[0];
    const files = { input: file, write: async () => undefined } as never;
    const { signal } = new AbortController();
    const read = async (tags: string): Promise<Output> => {
      const params = { ...parseParams(task, { tags }).data, output_path: 'output/x.json' } as never;
      return module.run({ ...context, params, files, signal });
    };
    try {
      await work(read);
    } finally {
      await module.teardown?.();
    }
  }

  it('H5: no option can be requested as a tag: nothing about the server is shown, and nothing is nested or written', async () => {
    using folder = tempDir('cl-exif-options-');
    const file = path.join(folder.path, 'a.jpg');
    fs.copyFileSync(full, file);
    const bytes = fs.readFileSync(file);
    await inOneProcess(file, async (read) => {
      const everything = await read('');
      for (const option of OPTIONS.split(',')) {
        const { raw_metadata: raw } = await read(`${option},Make`);
        expect(raw, option).toMatchObject({ Make: 'Canon' });
        const shown = Object.keys(raw).filter((name) => SERVER_FACT.test(name) || name.includes(':'));
        expect(shown, option).toEqual([]);
        const nested = Object.values(raw).filter((value) => typeof value === 'object');
        expect(nested, option).toEqual([]);
        expect(JSON.stringify(raw), option).not.toContain(folder.path);
        expect(fs.readdirSync(folder.path), option).toEqual(['a.jpg']);
      }
      expect(await read('')).toEqual(everything);
    });
    expect(fs.readFileSync(file)).toEqual(bytes);
  }, 60_000);

  it('the group MWG, which changes exiftool for all later requests, is never loaded', async () => {
    await inOneProcess(full, async (read) => {
      const before = await read('');
      for (const tags of ['MWG:Keywords', 'All:mwg:x', '1MWG:All']) await read(tags);
      expect(await read('')).toEqual(before);
    });
  });

  it.each([
    ['EXIF:Make', { Make: 'Canon' }],
    ['IFD0:Make', { Make: 'Canon' }],
    ['IFD0:M*', { Make: 'Canon', Model: '300' }],
    ['*:Make', { Make: 'Canon' }],
    ['EXIF:IFD0:Model', { Model: '300' }],
    ['XMP-dc:Title', { Title: 'A title' }],
    ['XMP:Title,Composite:GPSLatitude', { Title: 'A title', GPSLatitude: -33.8688 }],
  ])('the tag %s is found in its group', async (tags, found) => {
    using run = await runTask(task, { file: full, params: { tags }, env });
    expect(run.output.raw_metadata).toEqual(found);
  });

  it('a # after a tag, which requests a number, changes nothing, because all values are numbers', async () => {
    using run = await runTask(task, { file: full, params: { tags: 'EXIF:Orientation#,Flash#' }, env });
    expect(run.output.raw_metadata).toEqual({ Orientation: 6, Flash: 9 });
  });

  it('a JSON list of tags is accepted', () => {
    expect(parseParams(task, { tags: '["ImageWidth", "Make"]' }).data?.['tags']).toEqual(['ImageWidth', 'Make']);
  });

  it('an empty file completes without fields, and a text with its type', async () => {
    using empty = await runTask(task, { file: { name: 'a.jpg', content: '' }, env });
    expect(empty.output.raw_metadata).toEqual({});
    expect(Object.values(empty.output).filter((value) => value !== null)).toEqual([{}]);
    using text = await runTask(task, { file: { name: 'b.jpg', content: 'just words\n' }, env });
    expect(text.output.make).toBeNull();
    expect(text.output.raw_metadata).toMatchObject({ 'File:FileType': 'TXT' });
  });

  it('a 2 GB file is read as fast as a small one', async () => {
    const file = fs.openSync(at('large.mp4'), 'w');
    fs.writeSync(file, Buffer.from('00000018667479706d703432000000006d70343269736f6d', 'hex'));
    fs.ftruncateSync(file, 2 ** 31 + 10);
    fs.closeSync(file);
    const { createExifReader } = await import('@cl-server/media');
    const reader = createExifReader();
    try {
      expect(await reader.read(at('large.mp4'))).toMatchObject({ 'File:MIMEType': 'video/mp4' });
    } finally {
      await reader.end();
    }
  });

  it('the date of a camera whose clock was never set is ignored, but stays in the raw map', async () => {
    const unset = '0000:00:00 00:00:00';
    const file = await photo('unset.jpg', `-EXIF:CreateDate=${unset}`, `-EXIF:DateTimeOriginal=${unset}`);
    using run = await runTask(task, { file, env });
    expect(run.output).toMatchObject({ create_date: null, date_time_original: null, captured_at: null });
    expect(run.output.raw_metadata).toMatchObject({ 'EXIF:CreateDate': unset, 'EXIF:DateTimeOriginal': unset });
    const other = await photo('half.jpg', `-EXIF:CreateDate=${unset}`, '-XMP:CreateDate=2024:01:15 14:30:00');
    using half = await runTask(task, { file: other, env });
    expect(half.output.create_date).toBe('2024:01:15 14:30:00');
  });

  it('jobs of a batch are read together, and a failing one does not affect the others', async () => {
    const module = await task.load();
    await module.setup?.(testEnvironment(env));
    const written: string[] = [];
    const context = (input: string): Parameters<typeof module.run>[0] => ({
      ...({} as Parameters<typeof module.run>[0]),
      params: { ...parseParams(task, {}).data, output_path: 'output/x.json' } as never,
      files: { input, write: async () => void written.push(input) } as never,
      signal: new AbortController().signal,
    });
    try {
      const [first, absent, last] =
        (await module.runBatch?.([context(full), context(at('absent.jpg')), context(full)])) ?? [];
      expect(first).toMatchObject({ status: 'fulfilled', value: { model: '300' } });
      expect(absent).toMatchObject({ status: 'rejected', reason: { code: 'task_failed' } });
      expect(last).toEqual(first);
      expect(written).toEqual([full, full]);
    } finally {
      await module.teardown?.();
    }
  });

  it('without exiftool the task is unavailable, with advice', async () => {
    const tools = { exiftool: at('absent') };
    await expect(runTask(task, { file: full, env: { tools } })).rejects.toMatchObject({
      name: 'TaskUnavailable',
      code: 'tool_missing',
      message: expect.stringContaining('https://exiftool.org/'),
    });
  });

  it.runIf(hasMedia())('reads files of real cameras', async () => {
    using nikon = await runTask(task, { file: mediaFile('exif_gps_nikon.jpg'), env });
    expect(nikon.output).toMatchObject({ make: 'NIKON', model: 'COOLPIX P6000', exposure_time: '1/75', iso: 64 });
    expect(nikon.output.gps_latitude).toBeCloseTo(43.4674, 3);
    using video = await runTask(task, { file: mediaFile('video_plot.mp4'), env });
    expect(video.output).toMatchObject({ duration: 27.45, video_codec: 'avc1', image_width: 598, captured_at: null });
  });
});

describe.runIf(hasFfmpeg())('exif of recordings', () => {
  const ffprobe = which('ffprobe') ?? '';
  const withProbe = { tools: { ffprobe } };
  const film = (...codecs: string[]): string[] => ['-i', at('film.mp4'), ...codecs];
  const song = (...codecs: string[]): string[] => ['-i', at('film.mp4'), '-vn', ...codecs];
  beforeAll(() => {
    makeVideo(at('film.mp4'), { seconds: 2, size: '64x48' });
  });
  const make = (name: string, args: readonly string[]): string => {
    execFileSync('ffmpeg', ['-v', 'error', '-y', ...args, '-ar', '44100', at(name)]);
    return at(name);
  };

  it.each<[name: string, args: string[], video: string | null, audio: string | null]>([
    ['a.mp4', film(), 'h264', 'aac'],
    ['a.mov', film(), 'h264', 'aac'],
    ['a.mkv', film('-c:a', 'aac'), 'h264', 'aac'],
    ['silent.mkv', film('-an'), 'h264', null],
    ['a.webm', film('-c:v', 'libvpx', '-c:a', 'libvorbis'), 'vp8', 'vorbis'],
    ['a.avi', film('-c:v', 'mpeg4', '-c:a', 'mp2'), 'mpeg4', 'mp2'],
    ['a.flv', film('-c:v', 'flv1', '-c:a', 'aac'), 'flv1', 'aac'],
    ['a.wmv', film('-c:v', 'wmv2', '-c:a', 'wmav2'), 'wmv2', 'wmav2'],
    ['a.ts', film('-c:v', 'libx264', '-c:a', 'aac'), 'h264', 'aac'],
    ['a.mpg', film('-c:v', 'mpeg2video', '-c:a', 'mp2'), 'mpeg2video', 'mp2'],
    ['a.mp3', song(), null, 'mp3'],
    ['a.flac', song(), null, 'flac'],
    ['a.wav', song(), null, 'pcm_s16le'],
    ['a.ogg', song('-c:a', 'libvorbis'), null, 'vorbis'],
    ['a.m4a', song('-c:a', 'aac'), null, 'aac'],
    ['a.wma', song('-c:a', 'wmav2'), null, 'wmav2'],
  ])('%s has its length, its size and its codecs', async (name, args, video, audio) => {
    const file = make(name, args);
    const size = video === null ? null : 64;
    using run = await runTask(task, { file, env: withProbe });
    expect(run.output).toMatchObject({ video_codec: video, audio_codec: audio, image_width: size });
    expect(Math.abs((run.output.duration ?? 0) - 2)).toBeLessThan(0.15);
    expect(JSON.parse(run.read('output/exif_metadata.json').toString())).toEqual(run.output);
  });

  it.each<[name: string, args: string[], video: string | null, audio: string | null]>([
    ['a.mp4', film(), 'avc1', 'mp4a'],
    ['a.mkv', film('-c:a', 'aac'), null, 'A_AAC'],
    ['silent.mkv', film('-an'), 'V_MPEG4/ISO/AVC', null],
    ['a.avi', film('-c:v', 'mpeg4', '-c:a', 'mp2'), 'FMP4', null],
    ['a.flv', film('-c:v', 'flv1', '-c:a', 'aac'), null, null],
    ['a.wmv', film('-c:v', 'wmv2', '-c:a', 'wmav2'), 'wmv2', 'Windows Media Audio V8'],
    ['a.mp3', song(), null, null],
  ])('without ffprobe %s has the codecs from exiftool, if they are names', async (name, args, video, audio) => {
    using run = await runTask(task, { file: make(name, args), env });
    expect(run.output).toMatchObject({ video_codec: video, audio_codec: audio });
    expect(run.output.duration).toBeGreaterThan(0);
  });

  it('a failing ffprobe does not fail a job', async () => {
    const broken = await runTask(task, { file: at('film.mp4'), env: { tools: { ffprobe: '/bin/false' } } });
    const absent = await runTask(task, { file: at('film.mp4'), env: { tools: { ffprobe: at('absent') } } });
    using without = await runTask(task, { file: at('film.mp4'), env });
    for (const run of [broken, absent]) {
      expect(run.output).toMatchObject({ duration: 2, video_codec: 'avc1', audio_codec: 'mp4a' });
      expect(Object.keys(run.output)).toEqual(Object.keys(without.output));
      run.remove();
    }
    fs.writeFileSync(at('cut.mkv'), fs.readFileSync(make('whole.mkv', film())).subarray(0, 300));
    using cut = await runTask(task, { file: at('cut.mkv'), env: withProbe });
    expect(cut.output.mime_type).toBe('video/x-matroska');
  });

  it('ffprobe never reads photos', async () => {
    const witness = at('ffprobe');
    fs.writeFileSync(witness, `#!/bin/sh\ntouch '${at('asked')}'\nexec '${ffprobe}' "$@"\n`, { mode: 0o755 });
    const tools = { ffprobe: witness };
    using still = await runTask(task, { file: await photo('still.jpg'), env: { tools } });
    expect(still.output.video_codec).toBeNull();
    expect(fs.existsSync(at('asked'))).toBe(false);
    using moving = await runTask(task, { file: at('film.mp4'), env: { tools } });
    expect(moving.output.video_codec).toBe('h264');
    expect(fs.existsSync(at('asked'))).toBe(true);
  });
});
