"""The words of the toy corpus: English with its German, as tables that can be read like a vocabulary book.

Only words whose German is regular enough to state in one line are here: no weak nouns (*der Junge, den Jungen*) and no
adjectives that lose a vowel (*dunkel, dunkler*), so every form below follows from the paradigms in `inflection.py`.
"""

from typing import NamedTuple

GENDERS = ("m", "f", "n")


class Noun(NamedTuple):
    """A noun with both numbers: `Noun("man", "men", "m", "Mann", "Männer", "person")`."""

    singular: str
    plural: str
    gender: str
    tgt_singular: str
    tgt_plural: str
    kind: str

    @property
    def is_living(self) -> bool:
        return self.kind in ("person", "animal")


class Verb(NamedTuple):
    """A verb in the present tense; the German third person plural is its infinitive.

    `subject` and `object` say which nouns it goes with: "person", "living", "thing", "any", and "-" for none.
    `particle` is the separable prefix (*ruft … an*), "" where there is none; `case` is the object's ("acc" or "dat").
    """

    base: str
    third: str
    tgt_infinitive: str
    tgt_third: str
    subject: str
    object: str = "-"
    case: str = "acc"
    particle: str = ""


class Adjective(NamedTuple):
    """An adjective with the German stem that takes endings (`müd`) and the form after *sein* (`müde`).

    `kind` says what it is said of: "any", "living", "thing", or "animal" for animals and things.
    """

    word: str
    stem: str
    predicative: str
    kind: str


def _table(text: str) -> list[list[str]]:
    return [line.split() for line in text.strip().splitlines()]


# singular plural gender German-singular German-plural kind
NOUNS = [
    Noun(*row)
    for row in _table("""
    man men m Mann Männer person
    father fathers m Vater Väter person
    son sons m Sohn Söhne person
    brother brothers m Bruder Brüder person
    friend friends m Freund Freunde person
    teacher teachers m Lehrer Lehrer person
    doctor doctors m Arzt Ärzte person
    baker bakers m Bäcker Bäcker person
    king kings m König Könige person
    gardener gardeners m Gärtner Gärtner person
    singer singers m Sänger Sänger person
    woman women f Frau Frauen person
    mother mothers f Mutter Mütter person
    daughter daughters f Tochter Töchter person
    sister sisters f Schwester Schwestern person
    queen queens f Königin Königinnen person
    aunt aunts f Tante Tanten person
    child children n Kind Kinder person
    girl girls n Mädchen Mädchen person
    baby babies n Baby Babys person
    dog dogs m Hund Hunde animal
    bird birds m Vogel Vögel animal
    fox foxes m Fuchs Füchse animal
    wolf wolves m Wolf Wölfe animal
    donkey donkeys m Esel Esel animal
    cat cats f Katze Katzen animal
    mouse mice f Maus Mäuse animal
    cow cows f Kuh Kühe animal
    goat goats f Ziege Ziegen animal
    duck ducks f Ente Enten animal
    horse horses n Pferd Pferde animal
    pig pigs n Schwein Schweine animal
    chicken chickens n Huhn Hühner animal
    table tables m Tisch Tische thing
    chair chairs m Stuhl Stühle thing
    key keys m Schlüssel Schlüssel thing
    apple apples m Apfel Äpfel thing
    ball balls m Ball Bälle thing
    letter letters m Brief Briefe thing
    hat hats m Hut Hüte thing
    coat coats m Mantel Mäntel thing
    basket baskets m Korb Körbe thing
    door doors f Tür Türen thing
    lamp lamps f Lampe Lampen thing
    clock clocks f Uhr Uhren thing
    bag bags f Tasche Taschen thing
    flower flowers f Blume Blumen thing
    bottle bottles f Flasche Flaschen thing
    newspaper newspapers f Zeitung Zeitungen thing
    cup cups f Tasse Tassen thing
    window windows n Fenster Fenster thing
    book books n Buch Bücher thing
    picture pictures n Bild Bilder thing
    knife knives n Messer Messer thing
    dress dresses n Kleid Kleider thing
    shirt shirts n Hemd Hemden thing
    garden gardens m Garten Gärten place
    forest forests m Wald Wälder place
    park parks m Park Parks place
    cellar cellars m Keller Keller place
    kitchen kitchens f Küche Küchen place
    school schools f Schule Schulen place
    city cities f Stadt Städte place
    church churches f Kirche Kirchen place
    house houses n Haus Häuser place
    hotel hotels n Hotel Hotels place
    office offices n Büro Büros place
    village villages n Dorf Dörfer place
    bus buses m Bus Busse vehicle
    train trains m Zug Züge vehicle
    bicycle bicycles n Fahrrad Fahrräder vehicle
    car cars n Auto Autos vehicle
    ship ships n Schiff Schiffe vehicle
    """)
]

# A compound joins one of these first parts to the German of one of these heads: kitchen door → Küchentür.
COMPOUND_FIRST = {"kitchen": "Küchen", "garden": "Garten", "school": "Schul", "hotel": "Hotel", "office": "Büro"}
COMPOUND_HEADS = ("door", "table", "chair", "window", "key", "clock", "lamp")

# base third infinitive German-third subject [object case [particle]]; with a particle the infinitive is without it
VERBS = [
    Verb(*row)
    for row in _table("""
    sleep sleeps schlafen schläft living
    sing sings singen singt living
    laugh laughs lachen lacht person
    wait waits warten wartet living
    dance dances tanzen tanzt living
    work works arbeiten arbeitet person
    run runs laufen läuft living
    swim swims schwimmen schwimmt living
    cry cries weinen weint person
    dream dreams träumen träumt living
    jump jumps springen springt living
    smile smiles lächeln lächelt person
    play plays spielen spielt living
    see sees sehen sieht living any
    hear hears hören hört living living
    love loves lieben liebt living any
    find finds finden findet living any
    need needs brauchen braucht living any
    forget forgets vergessen vergisst living any
    know knows kennen kennt living living
    visit visits besuchen besucht person living
    greet greets grüßen grüßt person living
    praise praises loben lobt person living
    protect protects schützen schützt living any
    chase chases jagen jagt living living
    disturb disturbs stören stört living living
    watch watches beobachten beobachtet living any
    admire admires bewundern bewundert person any
    carry carries tragen trägt living thing
    buy buys kaufen kauft person thing
    sell sells verkaufen verkauft person thing
    paint paints malen malt person thing
    wash washes waschen wäscht person any
    pull pulls ziehen zieht living thing
    push pushes schieben schiebt living thing
    help helps helfen hilft living living dat
    follow follows folgen folgt living living dat
    thank thanks danken dankt person living dat
    answer answers antworten antwortet person living dat
    trust trusts vertrauen vertraut living living dat
    obey obeys gehorchen gehorcht living living dat
    forgive forgives verzeihen verzeiht living living dat
    arrive arrives kommen kommt living - acc an
    return returns kommen kommt living - acc zurück
    leave leaves gehen geht living - acc weg
    participate participates nehmen nimmt person - acc teil
    continue continues machen macht living - acc weiter
    call calls rufen ruft person living acc an
    invite invites laden lädt person living acc ein
    stop stops halten hält living living acc an
    imitate imitates ahmen ahmt living living acc nach
    introduce introduces stellen stellt person living acc vor
    open opens machen macht living thing acc auf
    close closes machen macht living thing acc zu
    collect collects sammeln sammelt living thing acc ein
    reject rejects lehnen lehnt person thing acc ab
    accept accepts nehmen nimmt person thing acc an
    discard discards werfen wirft living thing acc weg
    """)
]

# These take a clause: "says that …". "know" here is wissen, with an object it is kennen: the word to the right decides.
CLAUSE_VERBS = [
    Verb(*row)
    for row in _table("""
    say says sagen sagt person
    think thinks denken denkt person
    believe believes glauben glaubt person
    hope hopes hoffen hofft person
    fear fears fürchten fürchtet person
    know knows wissen weiß person
    """)
]

# English → (German singular, German plural). An English modal shows no number: the German one must find its subject.
MODALS = {
    "can": ("kann", "können"),
    "must": ("muss", "müssen"),
    "may": ("darf", "dürfen"),
    "should": ("soll", "sollen"),
    "will": ("wird", "werden"),
}

ADJECTIVES = [
    Adjective(word, predicative.removesuffix("e"), predicative, kind)
    for word, predicative, kind in _table("""
    small klein any
    big groß any
    old alt any
    new neu thing
    young jung living
    beautiful schön any
    red rot thing
    blue blau thing
    green grün thing
    yellow gelb thing
    black schwarz animal
    white weiß animal
    brown braun animal
    grey grau animal
    heavy schwer animal
    light leicht thing
    clean sauber any
    dirty schmutzig animal
    round rund thing
    tired müde living
    friendly freundlich living
    happy glücklich living
    sad traurig living
    hungry hungrig living
    brave mutig living
    lazy faul living
    clever klug living
    strong stark living
    calm ruhig living
    loud laut living
    """)
]

ADVERBS = {
    "today": "heute",
    "now": "jetzt",
    "often": "oft",
    "always": "immer",
    "tomorrow": "morgen",
    "soon": "bald",
    "again": "wieder",
    "here": "hier",
    "there": "dort",
    "outside": "draußen",
}

# English → (German, case, the kind of noun that follows)
PREPOSITIONS = {
    "in": ("in", "dat", "place"),
    "behind": ("hinter", "dat", "thing"),
    "under": ("unter", "dat", "thing"),
    "beside": ("neben", "dat", "thing"),
    "with": ("mit", "dat", "living"),
    "without": ("ohne", "acc", "living"),
    "for": ("für", "acc", "living"),
    "by": ("mit", "dat", "vehicle"),
}

CONJUNCTIONS = {
    "because": "weil",
    "when": "wenn",
    "although": "obwohl",
    "while": "während",
    "before": "bevor",
    "until": "bis",
}
