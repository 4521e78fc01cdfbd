"""The words that come with the product. Staff's own versions go before them (services/notifications/templates.py).

Texts keep to the GSM-7 alphabet, so that one costs one segment. For Wolof and Mandinka none is shipped before a speaker wrote it:
staff can, and until then English is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.notifications.models import Medium

FALLBACK_LANGUAGE = "en"
LANGUAGES: Mapping[str, str] = {"en": "English", "fr": "French", "wo": "Wolof", "mnk": "Mandinka"}


@dataclass(frozen=True)
class Words:
    """`subject` is a mail's subject or a push's title."""

    subject: str
    body: str


_TEXTS: Mapping[str, Mapping[str, str]] = {
    "purchase_receipt": {
        "en": "INET: paid D{dalasi}. Receipt code {reference}. With this phone number it finds your Wi-Fi again on any device.",
        "fr": "INET : D{dalasi} payés. Code {reference}. Avec ce numéro, il retrouve votre Wi-Fi sur tout appareil.",
    },
    "receipt_reminder": {
        "en": "INET: your receipt code is {references}. Enter it with your phone number to find your Wi-Fi.",
        "fr": "INET : votre code est {references}. Entrez-le avec votre numéro pour retrouver votre Wi-Fi.",
    },
    "one_time_code": {
        "en": "INET: your code is {code}. It is good for {minutes} minutes. Tell it to nobody.",
        "fr": "INET : votre code est {code}, valable {minutes} minutes. Ne le donnez à personne.",
    },
    "login_key": {
        "en": "INET-Go: {key} is your key to log in, good for {minutes} minutes. Never pass it on: we never ask for it.",
        "fr": "INET-Go : {key} est votre clé de connexion, valable {minutes} minutes. Ne la donnez jamais, nous ne la demandons pas.",
    },
    "number_key": {
        "en": "INET-Go: {key} is the key to move an account to this number. If that is not you, do nothing. Never pass it on.",
        "fr": "INET-Go : {key} est la clé pour lier un compte à ce numéro. Si ce n'est pas vous, ne faites rien. Ne la donnez jamais.",
    },
    "deletion_key": {
        "en": "INET-Go: {key} is the key to DELETE your account for good. If that is not you, do nothing. Never pass it on.",
        "fr": "INET-Go : {key} est la clé pour SUPPRIMER votre compte. Si ce n'est pas vous, ne faites rien. Ne la donnez jamais.",
    },
    "erasure_asked": {
        "en": "INET: we were asked to delete your account and all we know of you, from {day} on. If that was not you, tell us at once.",
        "fr": "INET : on nous demande de supprimer votre compte, dès le {day}. Si ce n'est pas vous, dites-le-nous vite.",
    },
    "number_changed": {
        "en": "INET: your account now belongs to the number {number}. If that was not you, tell us at once.",
        "fr": "INET : votre compte est maintenant lié au numéro {number}. Si ce n'est pas vous, dites-le-nous vite.",
    },
    "time_given_back": {
        "en": "INET: the Wi-Fi{place} was down. {minutes} min were added to your time, so none is lost. It runs on when you are online.",
        "fr": "INET : le Wi-Fi{place} était en panne. {minutes} min ont été ajoutées à votre temps ; il reprend en ligne.",
    },
    "refund_on_its_way": {
        "en": "INET: your D {dalasi} (receipt {reference}) go back to you by Wave. The Wi-Fi that they bought has ended.",
        "fr": "INET : vos {dalasi} D (code {reference}) vous sont rendus par Wave. Le Wi-Fi acheté avec est terminé.",
    },
    "voucher_given": {
        "en": "INET: you were given Wi-Fi ({package}). Enter {code} at any INET hotspot before {until}.",
        "fr": "INET : on vous offre du Wi-Fi ({package}). Entrez {code} à un point INET avant le {until}.",
    },
    "ticket_received": {
        "en": "INET: we got your request {reference} and will answer you. You can add to it by answering.",
        "fr": "INET : nous avons votre demande {reference} et vous répondrons.",
    },
    "ticket_reply": {"en": "INET {reference}: {text}", "fr": "INET {reference} : {text}"},
    "ticket_resolved": {
        "en": "INET: {reference} is resolved. If it is not, answer within 7 days. How was our help? {link}",
        "fr": "INET : {reference} est résolu. Sinon, répondez sous 7 jours. Votre avis : {link}",
    },
    "ticket_closing": {
        "en": "INET: we wait for your answer about {reference}. Without one it closes in {days} day(s).",
        "fr": "INET : nous attendons votre réponse sur {reference}. Sans elle, fermeture dans {days} jour(s).",
    },
    "ticket_outage": {
        "en": "INET {reference}: there is an outage at {place}; we work on it. Your paid time stands still meanwhile.",
        "fr": "INET {reference} : panne à {place}, nous y travaillons. Votre temps payé est suspendu.",
    },
    "technician_on_the_way": {
        "en": "INET: our technician is on the way to you about {reference}. Please keep your phone at hand.",
        "fr": "INET : notre technicien est en route pour votre demande {reference}. Gardez votre téléphone près de vous.",
    },
    "ticket_satisfaction": {
        "en": "INET: how was our help with {reference}? One tap: {link}",
        "fr": "INET : votre avis sur notre aide ({reference}) ? {link}",
    },
}
_SUBJECTS: Mapping[str, Mapping[str, str]] = {
    "ticket_received": {"en": "[{reference}] We got your request: {subject}", "fr": "[{reference}] Demande enregistrée : {subject}"},
    "ticket_reply": {"en": "[{reference}] {subject}", "fr": "[{reference}] {subject}"},
    "ticket_resolved": {"en": "[{reference}] Resolved: {subject}", "fr": "[{reference}] Résolu : {subject}"},
    "ticket_closing": {"en": "[{reference}] Do you still need us?", "fr": "[{reference}] Avez-vous encore besoin de nous ?"},
    "ticket_outage": {"en": "[{reference}] Outage at {place}", "fr": "[{reference}] Panne : {place}"},
    "technician_on_the_way": {"en": "[{reference}] Our technician is on the way", "fr": "[{reference}] Notre technicien est en route"},
    "ticket_satisfaction": {"en": "[{reference}] How was our help?", "fr": "[{reference}] Votre avis"},
    "sla_warning": {"en": "[{reference}] {clock} is due soon"},
    "sla_breach": {"en": "[{reference}] {clock} is overdue"},
    "sla_escalation": {"en": "[{reference}] escalated"},
    "sms_held": {"en": "Texts to customers are held up"},
    "error_found": {"en": "{what}: {kind} in {process}"},
}
_MAILS: Mapping[str, Mapping[str, str]] = {
    "ticket_received": {
        "en": "Hello,\n\nwe got your request and will answer you. Its number is {reference}.\n"
        "To add something, answer this mail.\n\nYour INET team",
        "fr": "Bonjour,\n\nnous avons votre demande et vous répondrons. Son numéro est {reference}.\n"
        "Pour la compléter, répondez à ce message.\n\nVotre équipe INET",
    },
    "ticket_reply": {"en": "{text}\n\nYour INET team\n{reference}", "fr": "{text}\n\nVotre équipe INET\n{reference}"},
    "ticket_resolved": {
        "en": "Hello,\n\nwe consider {reference} resolved. If it is not, answer this mail within 7 days and it is open again.\n\n"
        "How was our help? One tap tells us: {link}\n\nYour INET team",
        "fr": "Bonjour,\n\npour nous, {reference} est résolu. Sinon, répondez sous 7 jours et la demande est rouverte.\n\n"
        "Votre avis en un geste : {link}\n\nVotre équipe INET",
    },
}
# What stands on a lock screen says no more than that there is something.
_PUSHES: Mapping[str, Mapping[str, str]] = {
    "purchase_receipt": {
        "en": "Paid: D{dalasi}. Your Wi-Fi is ready; the receipt code comes by SMS.",
        "fr": "Payé : D{dalasi}. Votre Wi-Fi est prêt ; le code de reçu arrive par SMS.",
    },
    "voucher_given": {
        "en": "You were given Wi-Fi ({package}). Its code is in the app and comes by SMS.",
        "fr": "On vous offre du Wi-Fi ({package}). Le code est dans l'application et arrive par SMS.",
    },
    "time_given_back": {
        "en": "The Wi-Fi{place} was down. {minutes} min were added to your time.",
        "fr": "Le Wi-Fi{place} était en panne. {minutes} min ont été ajoutées à votre temps.",
    },
    "refund_on_its_way": {
        "en": "Your D {dalasi} (receipt {reference}) go back to you by Wave.",
        "fr": "Vos {dalasi} D (code {reference}) vous sont rendus par Wave.",
    },
    "ticket_received": {"en": "We got your request {reference} and will answer you.", "fr": "Nous avons votre demande {reference}."},
    "ticket_closing": {
        "en": "We wait for your answer about {reference}. Without one it closes in {days} day(s).",
        "fr": "Nous attendons votre réponse sur {reference}. Sans elle, fermeture dans {days} jour(s).",
    },
    "ticket_outage": {
        "en": "{reference}: there is an outage at {place}; we work on it. Your paid time stands still meanwhile.",
        "fr": "{reference} : panne à {place}, nous y travaillons. Votre temps payé est suspendu.",
    },
    "ticket_reply": {"en": "There is an answer to your request {reference}.", "fr": "Il y a une réponse à votre demande {reference}."},
    "ticket_resolved": {"en": "Your request {reference} is resolved.", "fr": "Votre demande {reference} est résolue."},
    "technician_on_the_way": {
        "en": "Our technician is on the way to you about {reference}.",
        "fr": "Notre technicien est en route pour votre demande {reference}.",
    },
    "ticket_satisfaction": {"en": "How was our help with {reference}?", "fr": "Votre avis sur notre aide ({reference}) ?"},
}
_DESK: Mapping[str, str] = {
    "erasure_waits": "{by} asks for customer {customer} to be erased: tomorrow a second person may carry it out",
    "step_waits": "{by} asks for a second person to agree: {what}",
    "refund_waits": "{by} asks for a refund of D {dalasi} ({reference}): a second person has to decide",
    "ticket_assigned": "{by} gave you {reference}: {subject}",
    "ticket_mention": "{by} mentioned you in {reference}: {subject}",
    "ticket_watched": "{reference}: {text}",
    "ticket_customer_wrote": "The customer wrote in {reference}: {subject}",
    "sla_warning": "The {clock} of {reference} is due soon: {subject}",
    "sla_breach": "The {clock} of {reference} is overdue: {subject}",
    "sla_escalation": "{reference} was escalated ({clock}): {subject}",
    "finding_assigned": "{by} gave you a finding of {day}: {what}.",
    "sms_held": "Texts to customers are held up: {why}. See Messages.",
    "error_found": "{what}: {kind} at {place} ({process}, release {release}). See Errors.",
}
_TITLE = "INET"


def shipped(event: str, medium: Medium, language: str) -> Words:
    """The product's own words; English where the language has none, and the bare text of an event nobody knows any more."""
    subject = _in(_SUBJECTS.get(event, {}), language)
    if event in _DESK:
        return Words(subject if medium is Medium.EMAIL else _TITLE, _DESK[event])
    special = {Medium.EMAIL: _MAILS, Medium.PUSH: _PUSHES}.get(medium, {})
    body = _in(special.get(event, {}), language) or _in(_TEXTS.get(event, {}), language) or "{text}"
    if medium is Medium.EMAIL:
        return Words(subject or _TITLE, body)
    return Words(_TITLE if medium is Medium.PUSH else "", body)


def languages_of(event: str) -> tuple[str, ...]:
    """The languages that the product itself has words in."""
    return tuple(_TEXTS.get(event, {FALLBACK_LANGUAGE: ""}))


def _in(words: Mapping[str, str], language: str) -> str:
    return words.get(language) or words.get(FALLBACK_LANGUAGE, "")
