/** The facts about a file in the response to an upload, and their correction by the full reading in the background. */
import type { Entity } from '@cl-server/contract';
import { sharp } from '@cl-server/media';
import { backends, eventually } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withRemark } from '../src/files/late-facts.js';
import { startStore, type TestStore } from './support/store.js';

const [backend] = backends();

/** Sections of EXIF by sharp's names. */
type Exif = Parameters<ReturnType<typeof sharp>['withExif']>[0];

const xmp = (attributes: string): string =>
  `<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" ${attributes}/></rdf:RDF></x:xmpmeta>`;

describe('facts of a file', () => {
  let store: TestStore;
  beforeAll(async () => {
    if (!backend) throw new Error('no database');
    store = await startStore(backend);
  });
  afterAll(() => store.stop());

  let shade = 0;
  const upload = async (exif: Exif, packet?: string): Promise<Entity> => {
    const background = { r: shade++, g: 0, b: 0 };
    const picture = sharp({ create: { width: 12, height: 8, channels: 3, background } }).withExif(exif);
    const bytes = await (packet === undefined ? picture : picture.withXmp(packet)).jpeg().toBuffer();
    return (await store.upload(bytes, 'a.jpg')).json;
  };
  /** The entity after the full reading. */
  const later = async ({ id }: Entity): Promise<Entity> => {
    await eventually(async () => {
      const { json } = await store.get<{ status: string }>(`/entities/${id}/metadata`);
      return json.status === 'complete';
    });
    return (await store.get(`/entities/${id}`)).json;
  };
  const told = ({ create_date, create_date_offset, latitude, longitude }: Entity) => ({
    create_date,
    create_date_offset,
    latitude: latitude === null ? null : Number(latitude.toFixed(3)),
    longitude: longitude === null ? null : Number(longitude.toFixed(3)),
  });
  const nothing = { create_date: null, create_date_offset: null, latitude: null, longitude: null };
  const utc = Date.UTC(2019, 6, 14, 12, 20, 56);
  const place = (latitude: string, longitude: string, south?: string, west?: string) => ({
    GPSLatitude: latitude,
    GPSLongitude: longitude,
    ...(south && { GPSLatitudeRef: south }),
    ...(west && { GPSLongitudeRef: west }),
  });

  it.each<[string, Exif, Partial<ReturnType<typeof told>>]>([
    ['a local time', { IFD2: { DateTimeOriginal: '2019:07:14 12:20:56' } }, { create_date: utc }],
    ['a time with slashes', { IFD2: { DateTimeOriginal: '2019/07/14 12:20:56' } }, { create_date: utc }],
    ['a day that does not exist', { IFD2: { DateTimeOriginal: '2019:02:30 12:20:56' } }, {}],
    [
      'a time before 1970',
      { IFD2: { DateTimeOriginal: '1950:01:01 00:00:00' } },
      { create_date: Date.UTC(1950, 0, 1) },
    ],
    [
      'a time with its offset',
      { IFD2: { DateTimeOriginal: '2019:07:14 12:20:56', OffsetTimeOriginal: '+02:00' } },
      { create_date: utc - 7_200_000, create_date_offset: 120 },
    ],
    [
      'an offset that does not exist',
      { IFD2: { DateTimeOriginal: '2019:07:14 12:20:56', OffsetTimeOriginal: '+25:00' } },
      { create_date: utc },
    ],
    [
      'the time of a receiver',
      { IFD3: { GPSDateStamp: '2019:07:14', GPSTimeStamp: '12/1 20/1 56/1' } },
      { create_date: utc, create_date_offset: 0 },
    ],
    [
      'a southern place',
      { IFD3: place('33/1 27/1 0/1', '70/1 40/1 0/1', 's', 'w') },
      { latitude: -33.45, longitude: -70.667 },
    ],
    ['null island', { IFD3: place('0/1 0/1 0/1', '0/1 0/1 0/1', 'N', 'E') }, {}],
    ['a place off the map', { IFD3: place('95/1 0/1 0/1', '70/1 0/1 0/1', 'N', 'E') }, {}],
    ['a place without a latitude', { IFD3: place('33/0 27/1 0/1', '70/1 40/1 0/1', 'S', 'W') }, {}],
    ['a place without seconds', { IFD3: place('33/1 27/1 0/0', '70/1 40/1 0/0', 'S', 'W') }, {}],
    ['a place without numbers', { IFD3: place('0/0 0/0 0/0', '0/0 0/0 0/0', 'N', 'E') }, {}],
  ])('are the same at once and after the full reading: %s', async (_what, exif, expected) => {
    const first = await upload(exif);
    expect(told(first)).toEqual({ ...nothing, ...expected });
    expect(told(await later(first))).toEqual({ ...nothing, ...expected });
  });

  it('are corrected if the full reading finds other values', async () => {
    const exif = { IFD0: { DateTime: '2022:01:01 10:00:00', ImageDescription: 'scanned' } };
    const first = await upload(exif, xmp('photoshop:DateCreated="1985-07-14"'));
    expect(told(first)).toEqual({ ...nothing, create_date: Date.UTC(2022, 0, 1, 10) });
    expect(told(await later(first))).toEqual({ ...nothing, create_date: Date.UTC(1985, 6, 14) });
  });
});

describe('a remark on a damaged picture', () => {
  const remark = 'The picture is damaged and is shown as far as it can be read (x)';
  it.each([
    [null, null, null],
    ['Metadata: y', null, 'Metadata: y'],
    [null, remark, remark],
    ['Metadata: y', remark, `Metadata: y ${remark}`],
    ['Metadata: y', `Metadata: old ${remark}`, `Metadata: y ${remark}`],
    [`Metadata: y ${remark}`, remark, `Metadata: y ${remark}`],
    ['Metadata: y', 'Metadata: old', 'Metadata: y'],
  ])('stays when metadata are read to %j after %j', (problem, before, after) => {
    expect(withRemark(problem, before)).toBe(after);
  });
});
