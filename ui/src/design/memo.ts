// A component that renders again only when a prop is another value.
import { Component, h, type FunctionComponent } from 'preact';

export function memo<P extends object>(Inner: FunctionComponent<P>): FunctionComponent<P> {
  class Memo extends Component<P> {
    override shouldComponentUpdate(next: P) {
      const now = this.props as Record<string, unknown>;
      const then = next as Record<string, unknown>;
      const names = Object.keys(then);
      return names.length !== Object.keys(now).length || names.some((name) => name !== 'children' && now[name] !== then[name]);
    }
    override render() {
      return h(Inner, this.props as never);
    }
  }
  return Memo as unknown as FunctionComponent<P>;
}
