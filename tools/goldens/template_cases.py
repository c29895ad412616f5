"""Templates of our own for template_goldens.py: hand-written ones, and random expressions from a fixed seed."""
import random

CONTEXT = {
    "n": 3, "z": 0, "neg": -7, "f": 2.5, "big": 1e20, "s": "Hello, World", "e": "", "u": "Ünï çødé 🤗 ß",
    "w": "  padded\ttext \n", "l": [3, 1, 2], "ls": ["b", "A", "c", ""], "d": {"a": 1, "b": [1, 2], "c": {"x": "y"}},
    "dd": [{"k": "x", "v": 2}, {"k": "Y", "v": 1}, {"k": "x", "v": None}], "t": True, "no": None,
    "m": [1, "a", None, 2.0, [1], {"q": 1}], "pairs": [[1, "x"], [2, "y"]],
    "tree": [{"n": "a", "c": [{"n": "b", "c": []}, {"n": "c", "c": [{"n": "d", "c": []}]}]}],
    "messages": [{"role": "system", "content": " S "}, {"role": "user", "content": "it's <b>\n"}],
    "odd_keys": {"items": 1, "get": 2, "é": "ü", "": 0}, "evil": "{{ n }}{% set n = 9 %}",
}

WRITTEN = r"""
plain text
{{ n }}{{ f }}{{ s }}{{ t }}{{ no }}{{ undef }}{{ l }}{{ d }}{{ m }}
{{ 1 }} {{ 1.0 }} {{ 1e16 }} {{ 1e15 }} {{ 1e-5 }} {{ 0.0001 }} {{ 123456789.125 }} {{ 0x1F }} {{ 0b101 }} {{ 1_000 }}
{{ 'a' "b" 'c' }}{{ 'it\'s' }}{{ "\x41\u00e9\t|" }}{{ ['it\'s', "q\"", 'both\'"', 'tab\t', 'é', '\x00'] }}
{{ 7 / 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 2 ** 3 ** 2 }} {{ -2 ** 2 }}
{{ 7.5 // 2 }} {{ -7.5 % 2 }} {{ 1 / 0 }}
{{ 1 // 0 }}
{{ 1 + 2 * 3 - 4 }} {{ (1 + 2) * 3 }} {{ 1 + true }} {{ 'ab' * 3 }} {{ [1] * 2 + [2] }} {{ (1,) + (2, 3) }}
{{ 1 ~ 'a' ~ none ~ true ~ [1] }} {{ 1 + 1 ~ 2 + 3 }}
{{ 'a' + 1 }}
{{ 1 == 1.0 }} {{ 1 == true }} {{ 'a' == 'a' }} {{ [1, 2] == [1, 2] }} {{ {'a': 1} == {'a': 1.0} }} {{ none == undef }} {{ undef == undef2 }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 'a' < 'b' }} {{ [1, 2] < [1, 3] }} {{ 'é' > 'z' }}
{{ 1 < 'a' }}
{{ 'a' in s }} {{ 'H' in s }} {{ 1 in l }} {{ 'a' in d }} {{ 9 not in l }} {{ 1 in undef }}
{{ undef in s }}
{{ not 1 }} {{ not '' }} {{ 1 and 2 }} {{ 0 and 2 }} {{ 0 or 'x' }} {{ '' or none }} {{ not true and false }}
{{ 'y' if n == 3 else 'n' }}{{ 'y' if n == 4 }}{{ 'a' if 0 else 'b' if 0 else 'c' }}
{{ s[0] }}{{ s[-1] }}{{ s[1:4] }}{{ s[::-1] }}{{ s[7:] }}{{ s[:-7] }}{{ u[0] }}{{ u[-1] }}{{ u[10:12] }}{{ u[::-2] }}{{ s[99] }}|{{ s[99:] }}
{{ l[0] }}{{ l[-1] }}{{ l[5] }}|{{ l[1:] }}{{ l[::2] }}{{ (1, 2, 3)[1:] }}{{ l[none:2] }}{{ range(5)[1:3]|list }}
{{ l[::0] }}
{{ d.a }}{{ d['a'] }}{{ d.c.x }}{{ d.zz }}|{{ d['zz'] }}|{{ d.items()|list }}{{ odd_keys['items'] }}{{ odd_keys.get('get') }}{{ odd_keys.é }}
{{ d.zz.yy }}
{{ undef.x }}
{{ undef() }}
{{ no.x }}|{{ no['x'] }}|{{ n.x }}
{{ no.x.y }}
{{ ''.__class__ }}|{{ l.__len__ }}|{{ d.__dict__ }}
{{ ''.__class__.__mro__ }}
{{ tree.0.c.1.n }}{{ tree[0]['c'][1].n }}
{{ s|upper }}{{ s|lower }}{{ s|title }}{{ u|upper }}{{ u|capitalize }}{{ w|trim }}|{{ s|trim('Hd') }}|{{ 'a-b (c) d'|title }}
{{ l|join }}{{ l|join(', ') }}{{ dd|join('/', attribute='k') }}{{ s|list|join('.') }}{{ undef|join }}
{{ l|length }}{{ s|length }}{{ u|length }}{{ d|count }}{{ undef|length }}
{{ n|length }}
{{ l|first }}{{ l|last }}{{ s|first }}{{ []|first }}|{{ l|max }}{{ l|min }}{{ []|max }}|{{ l|sum }}{{ dd|sum(attribute='x') }}
{{ ls|sort }}{{ ls|sort(case_sensitive=true) }}{{ l|sort(reverse=true) }}{{ dd|sort(attribute='k')|map(attribute='v')|list }}{{ pairs|sort(attribute='1') }}
{{ m|sort }}
{{ l|map('string')|list }}{{ dd|map(attribute='k')|list }}{{ dd|map(attribute='q', default=0)|list }}{{ ls|map('upper')|join }}{{ pairs|map(attribute=1)|list }}
{{ dd|selectattr('v')|list }}{{ dd|selectattr('k', 'equalto', 'x')|list|length }}{{ dd|rejectattr('v', 'none')|map(attribute='k')|list }}{{ l|select('odd')|list }}{{ l|reject('gt', 1)|list }}{{ m|select|list }}
{{ l|select('odd')|length }}
{% set g = l|select('odd') %}{{ g|list }}{{ g|list }}{{ 'y' if l|select('even') else 'n' }}
{{ ['a', 'A', 'b', 'a']|unique|list }}{{ l|reverse|list }}{{ s|reverse }}{{ l|batch(2)|list }}{{ l|batch(2, 'x')|list }}
{% for k, g in dd|groupby('k') %}{{ k }}:{{ g|map(attribute='v')|list }};{% endfor %}{{ (dd|groupby('k'))[0].grouper }}{{ (dd|groupby('k'))[0].list|length }}
{{ d|dictsort }}{{ {'b': 1, 'A': 2}|dictsort }}{{ {'b': 1, 'A': 2}|dictsort(true) }}{{ {'b': 1, 'A': 2}|dictsort(by='value', reverse=true) }}
{% for k, v in d|items %}{{ k }}={{ v }};{% endfor %}{{ undef|items|list }}
{{ undef|default('D') }}{{ no|default('D') }}{{ no|default('D', true) }}{{ ''|d('E', boolean=true) }}{{ undef|d }}|
{{ '42'|int }}{{ '4.7'|int }}{{ 'x'|int }}{{ 'x'|int(5) }}{{ ' 1_0 '|int }}{{ 3.9|int }}{{ true|int }}{{ '1f'|int(0, 16) }}{{ none|int }}{{ '1e3'|float }}{{ 'x'|float }}{{ 'x'|float(1.5) }}
{{ 2.5|round }}{{ 3.5|round }}{{ 2.675|round(2) }}{{ 5|round }}{{ 2.1|round(method='ceil') }}{{ 2.19|round(1, 'floor') }}{{ -5|abs }}{{ -2.5|abs }}
{{ s|replace('l', 'L') }}{{ s|replace('l', 'L', 1) }}{{ 123|replace(2, 'x') }}{{ 'a\nb\n\nc'|indent }}|{{ 'a\nb\n\nc'|indent(2, true, true) }}|{{ 'a\nb'|indent('> ') }}
{{ d|tojson }}{{ m|tojson }}{{ u|tojson }}{{ 'a"\\\n\x01</script>\x7f'|tojson }}{{ [1.0, 1e20, 0.1]|tojson }}{{ (1, 2)|tojson }}{{ none|tojson }}{{ u|tojson(ensure_ascii=true) }}
{{ d|tojson(indent=2) }}{{ {'b': 1, 'a': []}|tojson(indent=1, sort_keys=true) }}{{ d|tojson(separators=(',', ':')) }}{{ {1: 2, none: 3, true: 4}|tojson }}
{{ undef|tojson }}
{{ l|map('string')|tojson }}
{{ '<a&"\'>'|escape }}{{ '<a>'|safe }}{{ ('<a>'|safe) + '<b>' }}{{ '<c>' + ('<a>'|safe) }}{{ ('<a>'|safe) ~ '<b>' }}{{ ['<a>'|safe] }}{{ '<'|e|e }}{{ '<'|e|forceescape }}
{{ '%s is %d and %.2f|%5s|%-5s|%05d|%x|%%|%r'|format('a', 3, 2.5, 'b', 'c', 42, 255, 'q') }}{{ '%(a)s-%(b)03d' % {'a': 'x', 'b': 7} }}{{ '%s' % 'one' }}{{ '%s %s' % ('a', 'b') }}
{{ '%s %s' % ('a',) }}
{{ '{} {1} {x}'.format(1, 2) }}
{{ '{} {} {x!r} {x:>5} {x:<5}| {y:.3f} {z:,} {z:08d} {z:x} {{}}'.format('a', 'b', x='q', y=3.14159, z=1234567) }}{{ '{0}{1}{0}'.format('a', 'b') }}{{ '{0[k]}'.format({'k': 'v'}) }}{{ '{:^7}|{:*<4}'.format('mid', 'x') }}{{ '{:.1%} {:e} {:g}'.format(0.123, 12345.678, 0.00001) }}
{{ ' x '.strip() }}{{ 'xxaxx'.strip('x') }}{{ 'abc'.lstrip('ab') }}{{ 'abc'.rstrip('c') }}{{ 'a,b,,c'.split(',') }}{{ ' a  b '.split() }}{{ 'a b c'.split(' ', 1) }}{{ 'a b c'.rsplit(' ', 1) }}{{ 'a b c'.split(none, 1) }}
{{ s.startswith('He') }}{{ s.endswith(('x', 'ld')) }}{{ s.find('o') }}{{ s.rfind('o') }}{{ s.find('zz') }}{{ u.find('ç') }}{{ s.count('l') }}{{ s.index('W') }}{{ s.replace('', '-') }}{{ 'aaa'.replace('a', 'b', 2) }}
{{ s.index('zz') }}
{{ 'a\nb\r\nc'.splitlines() }}{{ 'k=v=w'.partition('=') }}{{ 'k=v=w'.rpartition('=') }}{{ 'k'.partition('=') }}{{ 'x'.join(['1', '2']) }}{{ '7'.zfill(3) }}{{ '-7'.zfill(4) }}{{ 'ab'.center(5, '*') }}{{ 'ab'.ljust(4) }}|{{ 'ab'.rjust(4) }}
{{ '12'.isdigit() }}{{ 'ab'.isalpha() }}{{ 'AB'.isupper() }}{{ 'ab1'.isalnum() }}{{ ' '.isspace() }}{{ ''.isdigit() }}{{ 'hello world'.title() }}{{ "it's".title() }}{{ 'hELLO'.capitalize() }}{{ 'aB'.swapcase() }}{{ 'prefix-x'.removeprefix('prefix-') }}
{{ d.get('a') }}{{ d.get('q') }}{{ d.get('q', 5) }}{{ d.keys()|list }}{{ d.values()|list }}{{ d.items() }}{{ d.keys() }}{% for k in d %}{{ k }}{% endfor %}
{{ l.index(1) }}{{ l.count(3) }}{{ l.append(9) }}{{ l }}{{ l.pop() }}{{ l.pop(0) }}{{ l }}{{ l.extend([7, 8]) }}{{ l.insert(0, 0) }}{{ l }}{{ l.reverse() }}{{ l }}{{ l.sort() }}{{ l }}{{ l.remove(7) }}{{ l.clear() }}{{ l }}
{{ d.pop('a') }}{{ d.pop('q', 1) }}{{ d.setdefault('n', 2) }}{{ d.update({'z': 1}) }}{{ d.update(y=2) }}{{ d }}{% set c = d.copy() %}{{ c.clear() }}{{ c }}{{ d|length }}
{{ d.pop('q') }}
{{ range(3)|list }}{{ range(1, 4)|list }}{{ range(5, 0, -2)|list }}{{ range(0) }}{{ range(2, 5) }}{{ 3 in range(5) }}{{ range(3)|length }}
{{ dict(a=1, b=2) }}{{ dict([('x', 1)]) }}{{ dict(d, a=5).a }}{% set ns = namespace(x=1) %}{% set ns.x = ns.x + 1 %}{{ ns.x }}{{ ns.y }}|{{ namespace({'q': 3}).q }}
{% set l.x = 1 %}
{% set j = joiner('|') %}{% for x in l %}{{ j() }}{{ x }}{% endfor %}{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.reset() }}{{ c.next() }}
{{ raise_exception('the reason') }}
{{ strftime_now('%d %b %Y %H:%M %A %j') }}
{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.cycle('o', 'e') }}{{ loop.changed(x > 1) }}{{ loop.depth }};{% endfor %}
{% for x in l if x > 1 %}{{ x }}{{ loop.length }}{% else %}none{% endfor %}{% for x in [] %}{% else %}none{% endfor %}{% for x in undef %}{% else %}u{% endfor %}
{% for a, b in pairs %}{{ a }}{{ b }}{% endfor %}{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}{% for c in 'añ🤗' %}{{ c }}.{% endfor %}
{% for a, b in l %}{% endfor %}
{% for x in n %}{% endfor %}
{% for x in range(5) %}{% if x == 1 %}{% continue %}{% endif %}{% if x == 3 %}{% break %}{% endif %}{{ x }}{% endfor %}
{% for x in l %}{% continue %}{% else %}all continued{% endfor %}
{% for node in tree recursive %}{{ node.n }}{{ loop.depth }}({{ loop(node.c) }}){% endfor %}
{% for x in l %}{{ loop(x) }}{% endfor %}
{% set x = 1 %}{% for i in l %}{{ x }}{% set x = i %}{{ x }}{% endfor %}{{ x }}{% if true %}{% set x = 5 %}{% endif %}{{ x }}
{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set (c, d2) = ('p', 'q') %}{{ c }}{{ d2 }}{% set block %} in {{ n }} {% endset %}[{{ block }}]{% set up | upper | trim %} x {% endset %}[{{ up }}]
{% set a, b = 1, 2, 3 %}
{% with a = 1, b = n %}{{ a }}{{ b }}{% set n = 9 %}{{ n }}{% endwith %}{{ n }}{{ a }}
{% macro m(a, b='B', c=a) %}[{{ a }}{{ b }}{{ c }}]{% endmacro %}{{ m(1) }}{{ m(1, 2) }}{{ m(1, c=3) }}{{ m() }}{{ m(b=0, a=1) }}{{ m.name }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(q=2) }}
{% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, x=4) }}{{ m(*[1, 2], **{'y': 5}) }}
{% macro m() %}<{{ caller('x') }}|{{ caller('y') }}>{% endmacro %}{% call(v) m() %}{{ v }}{{ n }}{% endcall %}
{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}{% call m() %}{% endcall %}
{% macro f(k) %}{% if k > 0 %}{{ k }}{{ f(k - 1) }}{% endif %}{% endmacro %}{{ f(5) }}
{% set x = 'outer' %}{% macro m() %}{{ x }}{% endmacro %}{% set x = 'later' %}{{ m() }}{% for x in [1] %}{{ m() }}{% endfor %}
{% filter upper %}abc{{ s }}{% endfilter %}{% filter replace('a', 'b')|upper %}aa{% endfilter %}{% generation %}g{{ n }}{% endgeneration %}
{% if n > 5 %}a{% elif n > 2 %}b{% else %}c{% endif %}{% if undef %}a{% else %}b{% endif %}{% if n in l and 'a' in d %}yes{% endif %}
{% raw %}{{ x }}{% if %}{# c #}{% endraw %}{# comment {{ n }} #}{{ '{{' }}{{ '{% raw %}' }}
{{ evil }}{{ evil|length }}{{ [evil] }}{% set q = evil %}{{ q ~ n }}
{{ n is defined }}{{ undef is defined }}{{ undef is undefined }}{{ no is none }}{{ s is string }}{{ n is number }}{{ f is float }}{{ n is integer }}{{ t is boolean }}{{ t is true }}{{ t is integer }}{{ t is number }}{{ d is mapping }}{{ l is mapping }}
{{ l is sequence }}{{ s is sequence }}{{ d is sequence }}{{ undef is iterable }}{{ n is iterable }}{{ d.items() is sequence }}{{ range(2) is sequence }}{{ 3 is odd }}{{ 4 is even }}{{ 9 is divisibleby 3 }}{{ 'a' is lower }}{{ 'A' is upper }}{{ range is callable }}
{{ n is eq 3 }}{{ n is not equalto 3 }}{{ n is gt 2 }}{{ n is in [1, 3] }}{{ no is sameas none }}{{ n is lt(5) and n is ge(3) }}{{ 'upper' is filter }}{{ 'nope' is test }}{{ 1 is sameas true }}
{{ n|nofilter }}
{{ n is notest }}
{% nosuchtag %}
{% if n %}
{% endif %}
{{ n
{{ (n }}
{{ n) }}
{{ 'abc }}
{# no end
{% for %}{% endfor %}
{% set 1 = 2 %}
{{ }}
{{ a b }}
{{ f(a=1, 2) }}
{{ l[1:2, 3] }}
{{ n.3x }}
{% include 'x' %}
{% import 'x' as y %}
{% extends 'x' %}
{{- n -}}
  {%- if n %}  x  {%- endif -%}  y  {{- n }} z
{% if n %}\n  line\n{% endif %}\n\n  {% set q = 1 %}\n tail\n
  {%+ if n %}kept{% endif +%}\n next
a\n    {% for x in l %}\n    {{ x }}\n    {% endfor %}\nb
a {# c #}\n{#- d -#}\n b {#+ e +#}\n c
{{ messages[0]['content'] | trim + '!' }}{{ messages[1].content | replace('\n', ' ') }}{{ messages | length - 1 }}{{ messages[-1].role == 'user' }}{{ messages[0].role.upper()[:3] }}
{% for m in messages %}{{ '<|' ~ m['role'] ~ '|>' + m.content|trim + ('\n' if not loop.last else '') }}{% endfor %}
{{ [1, 2,] }}{{ (1,) }}{{ () }}{{ {} }}{{ {'a': 1,} }}{{ {'k': {'k': 'v'}}['k']['k'] }}{{{'a': 'b'}['a']}}
{{ -n }}{{ +n }}{{ --n }}{{ not not n }}{{ -n|abs }}{{ -f ** 2 }}
{{ l|sum / l|length }}{{ (l|sort)[0] }}{{ s.split(', ')[1].lower()|list|first }}
"""

# Where we do more than jinja2's constant folding and limits allow to compare.
FILTERS = """upper lower title capitalize trim length count first last list string int float abs round round(1)
round(2,'floor') round(0,'ceil') join join(',') join('-') tojson tojson(indent=2) tojson(sort_keys=true) default('D')
default('D',true) d(1) sort sort(reverse=true) sort(attribute='v') sort(case_sensitive=true) unique|list reverse|list
replace('l','L') replace('a','b',1) items|list dictsort dictsort(by='value') map('upper')|list map(attribute='k')|list
map(attribute='k',default='z')|list map('string')|join('/') select('string')|list select|list reject('none')|list
selectattr('v')|list selectattr('k','equalto','x')|list rejectattr('v','none')|list sum sum(attribute='v') min max
indent(2) indent(2,true) indent('>',blank=true) batch(2)|list batch(2,'-')|list groupby('k') wordcount center(20)
truncate(8) truncate(5,true) escape safe format(1,2) int(default=5) int(0,16) float(1.5) first|default('none')
list|length string|length map('int')|sum map('length')|list max(attribute='v') tojson|safe""".split()
METHODS = """strip() lstrip() rstrip() strip('Hd') split() split(',') rsplit('l',1) upper() lower() title() capitalize()
startswith('H') endswith('d') startswith(('x','H')) find('o') rfind('o') index('l') count('l') replace('l','_')
replace('','-') splitlines() partition(',') rpartition('o') isdigit() isalpha() isupper() islower() isspace() isalnum()
join(['a','b']) join(ls) zfill(5) center(15,'*') ljust(14,'.') rjust(14) swapcase() removeprefix('He')
removesuffix('ld') format('A','B') format(1.5,2) get('a') get('zz') get('zz','dflt') items() keys()|list values()|list
keys() values() copy() index(1) count(1) a b c.x k 0 1 v""".split()
TESTS = ["defined", "undefined", "none", "string", "number", "integer", "float", "mapping", "sequence", "iterable",
         "boolean", "true", "false", "odd", "even", "divisibleby(2)", "eq(1)", "equalto('a')", "ne 1", "lt(3)", "gt 2",
         "in([1,2,'a'])", "in 'abc'", "lower", "upper", "callable", "not none", "not string", "not defined"]
LITERALS = ["0", "1", "-1", "10", "3.14", "1e3", "'a'", "'Hello'", "\"it's\"", "''", "true", "none", "[]", "[1,2,3]",
            "{'a': 1, 'b': 'two'}", "(1, 2)", "('a',)", "','", "[[1,2],[3,4]]", "'%s-%d'", "'{}:{}'", "'1_000'", "' 42 '"]
OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", ">", "<=", ">=", "and", "or", "in", "not in"]
KEYS = ["0", "-1", "1", "'a'", "'k'", "1:", "::-1", ":2", "-2:", "::2", "5:1:-1", "n", "1:-1", ":"]
NAMES = ["n", "z", "neg", "f", "s", "e", "u", "w", "l", "ls", "d", "dd", "t", "no", "m", "undef"]


class Expressions:
    """Random expressions, mostly wrong in interesting ways."""

    def __init__(self, seed):
        self.rng = random.Random(seed)

    def any(self, depth):
        pick = self.rng.choice
        kind = self.rng.random()
        if depth <= 0 or kind < 0.12:
            return pick(NAMES)
        if kind < 0.24:
            return pick(LITERALS)
        if kind < 0.42:
            return f"{self.any(depth - 1)}|{pick(FILTERS)}"
        if kind < 0.54:
            return f"{pick(NAMES)}.{pick(METHODS)}"
        if kind < 0.64:
            return f"{pick(NAMES)}[{pick(KEYS)}]"
        if kind < 0.80:
            return f"{self.any(depth - 1)} {pick(OPERATORS)} {self.any(depth - 1)}"
        if kind < 0.88:
            return f"{self.any(depth - 1)} is {pick(TESTS)}"
        if kind < 0.92:
            return f"({self.any(depth - 1)})"
        if kind < 0.95:
            return f"({self.any(depth - 1)} if {self.any(depth - 1)} else {self.any(depth - 1)})"
        if kind < 0.97:
            return f"[{self.any(depth - 1)}, {self.any(depth - 1)}]"
        return f"not {self.any(depth - 1)}"


def templates():
    written = [line.replace("\\n", "\n") if not line.startswith("{{") else line for line in WRITTEN.strip("\n").split("\n")]
    random_ones = Expressions(seed=20250710)
    return written + ["{{ " + random_ones.any(3) + " }}" for _ in range(900)]
