/**
 * Swagger UI fills every field of a form with a sample (`string`, `0`) and sends fields that the user empties. A parent with the id 0
 * does not exist, so an upload would fail. Here optional fields start empty, and empty fields are sent only if the user ticks them.
 */
type Json = Readonly<Record<string, unknown>>;
interface Form {
  readonly properties?: Readonly<Record<string, Json>>;
  readonly required?: readonly string[];
}

const isForm = (type: string): boolean =>
  type === 'multipart/form-data' || type === 'application/x-www-form-urlencoded';

/** A copy of a form in which optional fields without a sample have an empty one. */
function withEmptyFields({ properties = {}, required = [], ...rest }: Form): Form {
  const fields = Object.entries(properties).map(([name, field]) => {
    const hasSample =
      required.includes(name) || 'default' in field || 'examples' in field || field['format'] === 'binary';
    return [name, hasSample ? field : { ...field, examples: [''] }];
  });
  return { ...rest, properties: Object.fromEntries(fields), required };
}

/** A copy of a document for the page, with `withEmptyFields` for all forms. */
export function withEmptyForms<Document extends object>(document: Document): Document {
  return JSON.parse(JSON.stringify(document), (key: string, value: unknown): unknown => {
    if (key !== 'content' || typeof value !== 'object' || value === null) return value;
    const contents = Object.entries(value as Record<string, { readonly schema: Form }>);
    return Object.fromEntries(
      contents.map(([type, content]) =>
        isForm(type) ? [type, { ...content, schema: withEmptyFields(content.schema) }] : [type, content],
      ),
    );
  }) as Document;
}

interface React {
  createElement(component: unknown, props: object): unknown;
}
interface CheckboxProps {
  readonly isIncludedOptions?: object;
}

/** A plugin of Swagger UI, which is sent to the page as text. The box "Send empty value" of a field is not ticked at first. */
export const leaveEmptyFieldsOut = () => ({
  wrapComponents: {
    ParameterIncludeEmpty:
      (Original: unknown, system: { readonly React: React }) =>
      (props: CheckboxProps): unknown =>
        system.React.createElement(Original, {
          ...props,
          isIncludedOptions: { ...props.isIncludedOptions, defaultValue: false },
        }),
  },
});
