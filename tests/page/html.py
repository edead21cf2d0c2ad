"""What a page is made of, as an HTML parser sees it."""

from html.parser import HTMLParser

VOID = {"meta", "link", "br", "hr", "img", "input", "base"}


class Page(HTMLParser):
    """Raises AssertionError where tags do not match.

    text (str): The text of the body.
    ids (List[str]), links (List[str]): The values of all "id" and "href".
    elements (List[Tuple[str, Dict]]): Tags with their attributes.
    notes (List[str]): The text of each element of the class "note", without labels.
    """

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.text, self.ids, self.links, self.elements, self.notes = "", [], [], [], []
        self._open = []
        self.feed("".join([page]))  # markupsafe would escape what the parser has unescaped
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.elements.append((tag, attributes))
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if "href" in attributes:
            self.links.append(attributes["href"])
        if tag not in VOID:
            self._open.append((tag, attributes.get("class", "").split()))
        if "note" in attributes.get("class", "").split():
            self.notes.append("")

    def handle_endtag(self, tag):
        opened, _ = self._open.pop()
        assert opened == tag

    def handle_data(self, data):
        tags = [tag for tag, _ in self._open]
        classes = {each for _, own in self._open for each in own}
        if "body" in tags:
            self.text += data
        if "note" in classes and "chip" not in classes:
            self.notes[-1] += data

    def find(self, css):
        """RETURNS (List[Dict]): The attributes of the elements of a class."""
        return [attributes for _, attributes in self.elements if css in attributes.get("class", "").split()]


def check(text):
    """Parse a page, and hold that it is one that loads and runs nothing, whose links lead somewhere."""
    page = Page(text)
    assert not {"script", "iframe", "object", "embed", "form", "img", "link", "svg"} & {tag for tag, _ in page.elements}
    names = {name for _, attributes in page.elements for name in attributes}
    assert not {name for name in names if name.startswith("on")} and "src" not in names
    assert len(set(page.ids)) == len(page.ids)
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links if link != "about:srcdoc")
    policy = next(a["content"] for tag, a in page.elements if tag == "meta" and a.get("http-equiv"))
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert "http://" not in text and "https://" not in text and "@import" not in text and "url(" not in text
    return page
