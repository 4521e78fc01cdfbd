"""Refusals about promo codes, in words for whoever typed one."""

from __future__ import annotations

from app.errors import Conflict, NotFound


class PromoUnknown(NotFound):
    code, title = "promo_unknown", "No such promo code"
    message = "There is no such promo code. Check it letter by letter, or buy without it."


class PromoRefused(Conflict):
    """`code` says which of the reasons it is."""

    code, title = "promo_refused", "This promo code cannot be used"


class PromoNotYet(PromoRefused):
    code = "promo_not_yet"


class PromoOver(PromoRefused):
    code = "promo_over"
    message = "This promo code has ended. Buy without it, or try another one."


class PromoUsedUp(PromoRefused):
    code = "promo_used_up"
    message = "This promo code was used as often as it could be. Buy without it, or try another one."


class PromoYoursAlready(PromoRefused):
    code = "promo_yours_already"
    message = "You have used this promo code already. Buy without it, or try another one."


class PromoOtherPackage(PromoRefused):
    code = "promo_other_package"
    message = "This promo code is not for this package. Pick another package, or buy without the code."


class PromoTakesNothingOff(PromoRefused):
    code = "promo_takes_nothing_off"
    message = "This package already has the lowest price there is. Buy it without the code."


class PromoExists(Conflict):
    code, title = "promo_exists", "There is such a promo code already"
    message = "A promo code with these letters exists already. Choose others."


class NoSuchPromo(NotFound):
    code, title = "promo_not_found", "No such promo code"
    message = "There is no promo code under that number."
