/** The types of arguments and options, read from the texts by which commands declare them. */

/** `<id>` is a text, `[id]` may be missing, and `...` stands for a list. */
type ArgumentOf<Word extends string> = Word extends `${string}...>` | `${string}...]`
  ? string[]
  : Word extends `[${string}`
    ? string | undefined
    : string;

type Arguments<Words extends string> = Words extends `${infer First} ${infer Rest}`
  ? [ArgumentOf<First>, ...Arguments<Rest>]
  : [ArgumentOf<Words>];

/** The arguments of a command: `move <id> [to]` gives `[string, string | undefined]`. */
export type ArgumentsOf<Spec extends string> = Spec extends `${string} ${infer Words}` ? Arguments<Words> : [];

type Camel<Name extends string> = Name extends `${infer First}-${infer Rest}`
  ? `${First}${Capitalize<Camel<Rest>>}`
  : Name;

/** `-l, --limit <n>` gives `limit <n>`. */
type Long<Flags extends string> = Flags extends `${string}--${infer Long}` ? Long : never;

/** The option of some flags, by the name under which commander stores it. */
export type OptionOf<Flags extends string, Value> =
  Long<Flags> extends `${infer Name} ${string}`
    ? { readonly [Key in Camel<Name>]?: Value }
    : Long<Flags> extends `no-${infer Name}`
      ? { readonly [Key in Camel<Name>]?: boolean }
      : { readonly [Key in Camel<Long<Flags>>]?: boolean };
